"""Dropwizard Metrics 3, 4 and 5: the JSON of its MetricsServlet.

Decoded twice as fast by type; a document that the types refuse ("NaN" as text, NaN as a literal, invalid
UTF-8, integers beyond 64 bits) is read again, value by value.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import msgspec

from concierge_courier.sources import cells, document, port
from concierge_proto import errors, messages

_LEAST, _MOST = -(2**63), 2**63 - 1
_Number = Annotated[int, msgspec.Meta(ge=_LEAST, le=_MOST)] | float | None


class _Gauge(msgspec.Struct, gc=False):
    value: Any = None
    error: Any = None


class _Counter(msgspec.Struct, gc=False):
    count: _Number = None


class _Histogram(msgspec.Struct, gc=False):
    count: _Number = None
    max: _Number = None
    mean: _Number = None
    min: _Number = None
    p50: _Number = None
    p75: _Number = None
    p95: _Number = None
    p98: _Number = None
    p99: _Number = None
    p999: _Number = None
    stddev: _Number = None
    sum: _Number = None


class _Meter(msgspec.Struct, gc=False):
    count: _Number = None
    m15_rate: _Number = None
    m1_rate: _Number = None
    m5_rate: _Number = None
    mean_rate: _Number = None
    sum: _Number = None


class _Timer(_Histogram, gc=False):
    m15_rate: _Number = None
    m1_rate: _Number = None
    m5_rate: _Number = None
    mean_rate: _Number = None


class _Metrics(msgspec.Struct):
    gauges: dict[str, _Gauge] = {}
    counters: dict[str, _Counter] = {}
    histograms: dict[str, _Histogram] = {}
    meters: dict[str, _Meter] = {}
    timers: dict[str, _Timer] = {}


_KINDS: dict[str, tuple[str, type[msgspec.Struct]]] = {
    "counters": ("counter", _Counter),
    "histograms": ("histogram", _Histogram),
    "meters": ("meter", _Meter),
    "timers": ("timer", _Timer),
}
"""Section of the document to our kind and its fields. Units are text about the metric, not values of it."""

_DECODER = msgspec.json.Decoder(_Metrics)
_SECTIONS = frozenset(_Metrics.__struct_fields__)


def source(name: str, location: str) -> port.Source:
    return document.Document(name, location, document.whole(decode))


def decode(body: bytes, name: str = "dropwizard") -> port.Reading:
    """Return one block per kind that the document holds; raise Temporary when it is something else."""
    try:
        found = _DECODER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _tolerant(body, name)
    if not any(getattr(found, section) for section in _SECTIONS):
        _recognise(cells.parse(body))
    gauges, unusable = _gauges({key: (g.value, g.error) for key, g in found.gauges.items()}, name)
    blocks = [gauges]
    for section, (kind, shape) in _KINDS.items():
        metrics: Mapping[str, msgspec.Struct] = getattr(found, section)
        rows = map(msgspec.structs.astuple, metrics.values())
        blocks.append(_block(kind, shape, metrics, [cell for row in rows for cell in row], name))
    return port.Reading(tuple(block for block in blocks if block.names), unusable)


def _tolerant(body: bytes, name: str) -> port.Reading:
    """The same from any JSON that Python can read, whatever the values are."""
    found = _recognise(cells.parse(body))
    entries = _section(found, "gauges")
    gauges, unusable = _gauges({key: (e.get("value"), e.get("error")) for key, e in entries.items()}, name)
    blocks = [gauges]
    for section, (kind, shape) in _KINDS.items():
        metrics = _section(found, section)
        row = [
            cells.number(entry.get(field)) for entry in metrics.values() for field in shape.__struct_fields__
        ]
        unusable += row.count(cells.UNUSABLE)
        values = [None if cell is cells.UNUSABLE else cell for cell in row]
        blocks.append(_block(kind, shape, metrics, values, name))
    return port.Reading(tuple(block for block in blocks if block.names), unusable)


def _block(
    kind: str,
    shape: type[msgspec.Struct],
    names: Iterable[str],
    values: list[Any],
    source_name: str,
) -> messages.Block:
    """Leave out the fields that no metric has."""
    every = shape.__struct_fields__
    width = len(every)
    kept = [
        at for at in range(width) if any(values[row] is not None for row in range(at, len(values), width))
    ]
    if len(kept) < width:
        values = [values[row + at] for row in range(0, len(values), width) for at in kept]
    return messages.Block(
        kind=kind,
        fields=tuple(every[at] for at in kept),
        names=tuple(names),
        values=tuple(values),
        source=source_name,
    )


def _gauges(found: Mapping[str, tuple[Any, Any]], name: str) -> tuple[messages.Block, int]:
    """A gauge of a list, an object or an error is no metric; one that is NaN at the moment still is."""
    values: dict[str, messages.Value | None] = {}
    unusable = 0
    for key, (value, error) in found.items():
        if error is not None or isinstance(value, list | dict):
            unusable += 1
            continue
        cell = cells.scalar(value)
        unusable += cell is cells.UNUSABLE
        values[key] = None if cell is cells.UNUSABLE else cell
    block = messages.Block(
        kind="gauge", fields=("value",), names=tuple(values), values=tuple(values.values()), source=name
    )
    return block, unusable


def _recognise(found: Any) -> dict[str, Any]:
    if isinstance(found, dict) and not _SECTIONS.isdisjoint(found):
        return found
    raise errors.Temporary(f"no Dropwizard metrics: none of {', '.join(sorted(_SECTIONS))} in it")


def _section(found: Mapping[str, Any], section: str) -> dict[str, dict[str, Any]]:
    """Return the metrics of a section by clean names; a lone surrogate would end the codec."""
    entries = found.get(section)
    if not isinstance(entries, dict):
        return {}
    return {cells.clean(key): _entry(entry) for key, entry in entries.items() if isinstance(entry, dict)}


def _entry(entry: dict[str, Any]) -> dict[str, Any]:
    value = entry.get("value")
    return {**entry, "value": cells.clean(value)} if isinstance(value, str) else entry
