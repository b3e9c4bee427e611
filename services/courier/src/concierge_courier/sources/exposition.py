"""Prometheus's text, line by line: which line is which cell of which table.

A gauge, and everything that has no better place, is `gauge[name{labels},value]`, a counter and a bucket
`counter[name{labels},value]`. A histogram has the fields `count` and `sum`, a summary its quantiles beside
them, as Dropwizard's histogram has: `histogram[name{labels},p99]`.
"""

import itertools
import re
from array import array
from typing import NamedTuple

from concierge_courier.sources import cells, layout
from concierge_proto import errors

_LONGEST = 65536
"""Bytes of a line with a sample."""
_TYPE_WITHIN = 20
"""Bytes in which a line of a type says so; to look further costs time."""
_QUOTED = r'"(?:[^"\\]++|\\.)*+"'
_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*+"
_VALUE = r"([^\s#]++)(?:[ \t]++[-+]?\.?[0-9][0-9.eE+-]*+)?+[ \t]*+"
_REST = re.compile(rf"[ \t]*+{_VALUE}")
_SAMPLE = re.compile(
    rf'[ \t]*+({_NAME})?+(?:[ \t]*+\{{((?:[^"}}]++|{_QUOTED})*+)\}}[ \t]*+|[ \t]++)'
    rf"{_VALUE}(#.*)?"
)
"""Name, labels, value; a time stamp and an exemplar are not of interest, for a snapshot has one time."""
_LABEL = re.compile(
    rf"[ \t]*+(?:([a-zA-Z_][a-zA-Z0-9_]*+|{_QUOTED})[ \t]*+=[ \t]*+)?+({_QUOTED})[ \t]*+(?:,|$)"
)
_SIMPLE = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*+)="([^"\\]*+)"')
_TYPE = re.compile(rf"[ \t]*+#[ \t]+TYPE[ \t]+({_NAME}|{_QUOTED})[ \t]+(\w+)[ \t]*")
_PLAIN_NAME = re.compile(_NAME)
_ESCAPED = re.compile(r'\\([\\"n])')
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_EOF = [b"#", b"EOF"]
_OPEN_METRICS = {"info", "stateset", "gaugehistogram", "unknown"}
"""Types that the older format has not."""
_SUFFIXES = ("_bucket", "_count", "_sum", "_total")
_COLUMNS = {"_count": "count", "_sum": "sum"}
_QUANTILES = {
    0.0: "min",
    0.5: "p50",
    0.75: "p75",
    0.9: "p90",
    0.95: "p95",
    0.98: "p98",
    0.99: "p99",
    0.999: "p999",
    1.0: "max",
}
"""Those that become fields. A fixed list: a table has a cell for each field of each row."""

Labels = dict[str, str]
Number = int | float
"""Infinite perhaps, or none."""


class Table(NamedTuple):
    """All metrics of one kind."""

    kind: str
    fields: tuple[str, ...]
    names: tuple[str, ...]
    slots: "array[int]"
    """Row by row the line that has the value; -1: none has."""


class Study(NamedTuple):
    """What a text holds, but for its numbers."""

    tables: tuple[Table, ...]
    layout: layout.Layout
    steady: bool
    """Whether behind each value there is nothing more than a time stamp: the layout will do for another page."""
    unusable: int
    """Lines that are nothing, and values said twice: the last one counts."""


class Odd(ValueError):
    """A line is no sample."""


def study(text: bytes) -> tuple[Study, list[Number]]:
    """Return what the lines hold, and by line the number, 0 where none is.

    Raises Temporary when that is no Prometheus text, or not all of it.
    """
    cells.bound(sum(line[:1] not in b"#" for line in cells.lines(text)))
    places = _Places(text)
    numbers = [places.take(line) for line in cells.lines(text)]
    if places.odd > places.samples:
        raise errors.Temporary(f"no Prometheus text: {places.sentence}")
    if places.modern and text[-20:].split()[-2:] != _EOF:
        raise errors.Temporary("OpenMetrics text broke off: it has no # EOF")
    return Study(places.tables(), places.layout, places.steady, places.odd + places.doubled), numbers


def number(word: str) -> Number:
    """Return a value; raise ValueError."""
    if not word.isascii() or "_" in word or word != word.strip():  # Python reads more than the format has
        raise ValueError(word)
    if word.removeprefix("-").isdigit():
        found = int(word)
        return found if -(2**63) <= found < 2**63 else float(word)
    return float(word)


def rest(text: str) -> Number:
    """Return the value of what stands behind a head, perhaps with a time stamp; raise ValueError."""
    found = _REST.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return number(found[1])


class _Places:
    """Finds the place of each sample."""

    def __init__(self, text: bytes) -> None:
        self._types = dict(_types(text))
        self._families: dict[str, tuple[str, str, str]] = {}
        self._tables = {kind: _Cells() for kind in ("gauge", "counter", "histogram")}
        self.layout = layout.Layout()
        self.steady = True
        self.samples = self.odd = self.doubled = 0
        """Lines."""
        self.sentence = ""
        """About the first odd one."""
        self.modern = not _OPEN_METRICS.isdisjoint(self._types.values())
        """Whether it can only be OpenMetrics, which ends with a mark; the older format has none."""

    def take(self, line: bytes) -> Number:
        """Note what a line is, and return its value; 0 when it is no sample."""
        if line.lstrip()[:1] not in b"#":
            try:
                return self._sample(line)
            except Odd:
                self.odd += 1
                self.sentence = self.sentence or f"line {len(self.layout) + 1} is {line[:50]!r}"
        self.layout.other(line.decode("latin-1"))
        return 0

    def _sample(self, line: bytes) -> Number:
        """Note where the value of a sample belongs, and return it; raise Odd."""
        found = _SAMPLE.fullmatch(line.decode("utf-8", "replace")) if len(line) <= _LONGEST else None
        if found is None:
            raise Odd
        name, labels = _labels(found[1] or "", found[2] or "")
        try:
            value = number(found[3])
        except ValueError as error:
            raise Odd from error
        kind, row, field = self._place(name, labels)
        self.samples += 1
        self.doubled += self._tables[kind].put(row, field, len(self.layout))
        self.layout.sample(_head(line, found, row))
        self.modern = self.modern or bool(found[4])
        self.steady = self.steady and not found[4]
        return value

    def tables(self) -> tuple[Table, ...]:
        return tuple(found.table(kind) for kind, found in self._tables.items() if found.rows)

    def _place(self, name: str, labels: Labels) -> tuple[str, str, str]:
        family, base, suffix = self._families.get(name) or self._family(name)
        if family == "counter" or (family == "histogram" and suffix == "_bucket"):
            return "counter", _series(name, labels), "value"
        if family in {"histogram", "summary"} and suffix in _COLUMNS:
            return "histogram", _series(base, labels), _COLUMNS[suffix]
        column = _quantile(labels) if family == "summary" and not suffix else ""
        if column:
            return "histogram", _series(base, {k: v for k, v in labels.items() if k != "quantile"}), column
        return "gauge", _series(name, labels), "value"

    def _family(self, name: str) -> tuple[str, str, str]:
        """Return type, name of the family, and what the sample's name has behind it."""
        found = (self._types.get(name, ""), name, "")
        for suffix in _SUFFIXES:
            base = name.removesuffix(suffix)
            if not found[0] and base != name and base in self._types:
                found = (self._types[base], base, suffix)
        self._families[name] = found
        return found


class _Cells:
    """A table that grows."""

    def __init__(self) -> None:
        self.rows: dict[str, int] = {}
        self._columns: dict[str, array[int]] = {}

    def put(self, name: str, field: str, at: int) -> bool:
        """Return whether there was one already."""
        row = self.rows.setdefault(name, len(self.rows))
        column = self._columns.setdefault(field, array("l"))
        column.extend([-1] * (row + 1 - len(column)))
        doubled = column[row] >= 0
        column[row] = at
        return doubled

    def table(self, kind: str) -> Table:
        fields = tuple(sorted(self._columns))
        columns = [self._columns[field] for field in fields]
        for column in columns:
            column.extend([-1] * (len(self.rows) - len(column)))
        slots = (
            columns[0]
            if len(columns) == 1
            else array("l", itertools.chain.from_iterable(zip(*columns, strict=True)))
        )
        return Table(kind, fields, tuple(self.rows), slots)


def _head(line: bytes, found: re.Match[str], row: str) -> str:
    """Return what stands before the value; if it can, the name that is kept anyway: that halves the memory."""
    head = line[: len(line) - len(found.string[found.start(3) :].encode())].decode("latin-1")
    return row if row[-1] == "}" and head.rstrip(" ") == row else head


def _types(text: bytes) -> list[tuple[str, str]]:
    found = (
        _TYPE.fullmatch(line.decode("utf-8", "replace"))
        for line in cells.lines(text)
        if b"TYPE" in line[:_TYPE_WITHIN] and len(line) <= _LONGEST
    )
    return [(_plain(match[1]), match[2]) for match in found if match]


def _labels(name: str, text: str) -> tuple[str, Labels]:
    """Return the name, which may stand in quotes among its labels, and them; raise Odd."""
    pairs = _SIMPLE.findall(text)
    found: Labels = dict(pairs)
    if name and len(found) == len(pairs) and ",".join([f'{key}="{value}"' for key, value in pairs]) == text:
        return name, found
    found = {}
    at = 0
    text = text.rstrip()
    while at < len(text):
        match = _LABEL.match(text, at)
        if not match or (match[1] is None and (name or found)) or _plain(match[1] or "") in found:
            raise Odd
        if match[1] is None:
            name = _plain(match[2])
        else:
            found[_plain(match[1])] = _plain(match[2])
        at = match.end()
    if not name:
        raise Odd
    return name, found


def _plain(text: str) -> str:
    """Take off the quotes, if it has any."""
    if not text.startswith('"'):
        return text
    text = text[1:-1]
    if "\\" not in text:
        return text
    return _ESCAPED.sub(lambda found: "\n" if found[1] == "n" else found[1], text)


def _series(name: str, labels: Labels) -> str:
    """Return the one way of writing it: labels in order, no blanks."""
    parts = [f'{_label(key)}="{_escape(labels[key])}"' for key in sorted(labels)]
    if not _PLAIN_NAME.fullmatch(name):
        parts, name = [_quote(name), *parts], ""
    return f"{name}{{{','.join(parts)}}}" if parts else name


def _label(text: str) -> str:
    return text if text.isidentifier() and text.isascii() else _quote(text)


def _quote(text: str) -> str:
    return f'"{_escape(text)}"'


def _escape(text: str) -> str:
    return text.translate(_ESCAPES) if "\\" in text or '"' in text or "\n" in text else text


def _quantile(labels: Labels) -> str:
    try:
        return _QUANTILES.get(float(labels.get("quantile", "")), "")
    except ValueError:
        return ""
