"""Dropwizard Metrics 3, 4 and 5: the JSON of its MetricsServlet.

Decoded twice as fast by type; a document that the types refuse ("NaN" as text, NaN as a literal, invalid
UTF-8, integers beyond 64 bits) is read again, value by value.
"""

import json
import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import msgspec

from concierge_courier.sources import document, port
from concierge_proto import errors, messages

_LEAST, _MOST = -(2**63), 2**63 - 1
_Number = Annotated[int, msgspec.Meta(ge=_LEAST, le=_MOST)] | float | None
_NO_NUMBERS = {"NaN", "Infinity", "-Infinity"}
"""How Jackson writes a double that is no number."""


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
    return document.Document(name, location, decode)


def decode(body: bytes, name: str = "dropwizard") -> port.Reading:
    """Return one block per kind that the document holds; raise Temporary when it is something else."""
    try:
        found = _DECODER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _tolerant(body, name)
    if not any(getattr(found, section) for section in _SECTIONS):
        _recognise(_parse(body))
    gauges, unusable = _gauges({key: (g.value, g.error) for key, g in found.gauges.items()}, name)
    blocks = [gauges]
    for section, (kind, shape) in _KINDS.items():
        metrics: Mapping[str, msgspec.Struct] = getattr(found, section)
        rows = map(msgspec.structs.astuple, metrics.values())
        blocks.append(_block(kind, shape, metrics, [cell for row in rows for cell in row], name))
    return port.Reading(tuple(block for block in blocks if block.names), unusable)


def _tolerant(body: bytes, name: str) -> port.Reading:
    """The same from any JSON that Python can read, whatever the values are."""
    found = _recognise(_parse(body))
    entries = _section(found, "gauges")
    gauges, unusable = _gauges({key: (e.get("value"), e.get("error")) for key, e in entries.items()}, name)
    blocks = [gauges]
    for section, (kind, shape) in _KINDS.items():
        metrics = _section(found, section)
        cells = [_number(entry.get(field)) for entry in metrics.values() for field in shape.__struct_fields__]
        unusable += cells.count(_UNUSABLE)
        values = [None if cell is _UNUSABLE else cell for cell in cells]
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
        cell = _text(value) if isinstance(value, str) else _number(value)
        unusable += cell is _UNUSABLE
        values[key] = None if cell is _UNUSABLE else cell
    block = messages.Block(
        kind="gauge", fields=("value",), names=tuple(values), values=tuple(values.values()), source=name
    )
    return block, unusable


_UNUSABLE: Any = object()


def _number(value: object) -> Any:
    """Return a number that every codec can carry, None for nothing, `_UNUSABLE` for anything else."""
    if value is None:
        return None
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int) and _LEAST <= value <= _MOST:
        return value
    if isinstance(value, int | float):
        try:
            number = float(value)
        except OverflowError:
            return _UNUSABLE
        return number if math.isfinite(number) else _UNUSABLE
    return _UNUSABLE


def _text(value: str) -> Any:
    return _UNUSABLE if value in _NO_NUMBERS else value


def _parse(body: bytes) -> Any:
    try:
        text = body.decode("utf-8-sig", "replace")
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise errors.Temporary(f"not JSON: {error}") from error


def _recognise(found: Any) -> dict[str, Any]:
    if isinstance(found, dict) and not _SECTIONS.isdisjoint(found):
        return found
    raise errors.Temporary(f"no Dropwizard metrics: none of {', '.join(sorted(_SECTIONS))} in it")


def _section(found: Mapping[str, Any], section: str) -> dict[str, dict[str, Any]]:
    """Return the metrics of a section by clean names; a lone surrogate would end the codec."""
    entries = found.get(section)
    if not isinstance(entries, dict):
        return {}
    return {_clean(key): _entry(entry) for key, entry in entries.items() if isinstance(entry, dict)}


def _entry(entry: dict[str, Any]) -> dict[str, Any]:
    value = entry.get("value")
    return {**entry, "value": _clean(value)} if isinstance(value, str) else entry


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
