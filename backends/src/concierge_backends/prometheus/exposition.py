"""Prometheus's text format: a snapshot as families of samples. Pure.

`timer[com.example.Shop.checkout,p95]` becomes `concierge_timer_p95{name="com.example.Shop.checkout"}`.
The name stays whole in a label: two names never become one, and a family's type follows from its kind and
field alone, for a Pushgateway refuses a push whose family has another type elsewhere. No timestamps: it refuses those too.
"""

import math
import re
from collections.abc import Iterable
from typing import NamedTuple

from concierge_backends import aggregate, port
from concierge_proto import messages

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_UNSAFE = re.compile(r"[^a-zA-Z0-9_]")
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_COUNTERS = {("meter", "count"), ("timer", "count"), ("histogram", "count"), ("counter", "value")}
"""Only rise. Dropwizard's own counter (field `count`) also falls: a gauge."""


class Page(NamedTuple):
    """A body, and which values are not in it."""

    body: bytes
    written: int
    text: int
    """Values that are text: Prometheus knows none."""
    odd: int
    """NaN, infinite, or said twice."""


def family(kind: str, field: str) -> str:
    """Return the name of the samples of one field; what only rises ends in `_total`, as in OpenMetrics it must."""
    total = "_total" if (kind, field) in _COUNTERS else ""
    return _UNSAFE.sub("_", f"concierge_{kind}_{field}{total}")


def snapshot(snapshot: messages.Snapshot) -> Page:
    """Write every number of a snapshot; it says too that the instance runs, and when it was read."""
    families: dict[str, dict[str, str]] = {}
    kinds: dict[str, str] = {}
    text = odd = 0
    for block in snapshot.blocks:
        rows = [_labels(name, block.source) for name in block.names]
        width = len(block.fields)
        for column, field in enumerate(block.fields):
            name = family(block.kind, field)
            samples = families.setdefault(name, {})
            kinds[name] = "counter" if (block.kind, field) in _COUNTERS else "gauge"
            for labels, value in zip(rows, block.values[column::width], strict=True):
                if value is None:
                    continue
                if isinstance(value, str):
                    text += 1
                elif not math.isfinite(value) or labels in samples:
                    odd += 1
                else:
                    samples[labels] = repr(value)
    parts = [
        state(1),
        _gauge("concierge_snapshot_time_seconds", "When it was read.", _seconds(snapshot.time_ns)),
    ]
    parts += [_family(name, kinds[name], samples) for name, samples in families.items() if samples]
    written = sum(map(len, families.values()))
    return Page("".join(parts).encode(), written, text, odd)


def state(state: int) -> str:
    """Write an instance's state."""
    return _gauge("concierge_state", "1 running, 0 stopped.", str(state))


def heartbeat(heartbeat: messages.Heartbeat) -> bytes:
    """Write the state, and when it was said."""
    told = _gauge("concierge_heartbeat_time_seconds", "When it was last said.", _seconds(heartbeat.time_ns))
    return (state(heartbeat.state) + told).encode()


def aggregates(aggregates: port.Aggregates) -> bytes:
    """Write a service's counts, and its metrics in the label `metric`."""
    parts = [
        _gauge("concierge_service_heard", "Instances heard lately.", str(aggregates.heard)),
        _gauge("concierge_service_running", "Those of them that run.", str(aggregates.running)),
        _gauge("concierge_service_time_seconds", "When that was so.", _seconds(aggregates.time_ns)),
    ]
    for of in ("avg", "sum", "min", "max", "instances"):
        samples = {_label("metric", str(one.metric)): repr(getattr(one, of)) for one in aggregates.metrics}
        if samples:
            parts.append(_family(f"concierge_service_{of}", "gauge", samples))
    return "".join(parts).encode()


def outcome(outcome: messages.Outcome) -> bytes:
    """Write what was last done to a service, with the result as a label."""
    took = {_label("result", outcome.result): repr(outcome.duration_ms / 1000)}
    when = repr(outcome.at.timestamp())
    parts = [
        _gauge("concierge_service_wanted", "Instances that were wanted last.", str(outcome.wanted)),
        _gauge("concierge_service_after", "Instances after the last change.", str(outcome.after)),
        _gauge("concierge_service_outcome_time_seconds", "When the last change ended.", when),
        _family("concierge_service_change_seconds", "gauge", took),
    ]
    return "".join(parts).encode()


def _label(name: str, value: str) -> str:
    return f'{name}="{value.translate(_ESCAPES)}"'


def _labels(name: str, source: str) -> str:
    return f"{_label('name', name)},{_label('source', source)}" if source else _label("name", name)


def _gauge(name: str, text: str, value: str) -> str:
    return f"# HELP {name} {text}\n# TYPE {name} gauge\n{name} {value}\n"


def _family(name: str, kind: str, samples: dict[str, str]) -> str:
    head = f"# HELP {name} See the labels for what it is.\n# TYPE {name} {kind}\n"
    return head + "".join(_lines(name, samples.items()))


def _lines(name: str, samples: Iterable[tuple[str, str]]) -> Iterable[str]:
    return (f"{name}{{{labels}}} {value}\n" for labels, value in samples)


def _seconds(ns: int) -> str:
    return repr(ns / aggregate.NANOSECONDS)
