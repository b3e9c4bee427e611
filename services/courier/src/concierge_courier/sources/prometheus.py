"""Prometheus: its text format 0.0.4, and OpenMetrics 1.0.

Between two collections a page changes in its numbers, hardly ever in its lines. So what the lines are is
found out once, and as long as all of them begin as they did, only the rest of them is read.
"""

import contextlib
import itertools
import math
from collections.abc import Iterable, Iterator
from typing import Annotated, NamedTuple

import msgspec

from concierge_courier.sources import cells, document, exposition, fetch, layout, port
from concierge_proto import messages

ACCEPT = fetch.Wanted(
    "text/plain;version=0.0.4;q=1,application/openmetrics-text;version=1.0.0;q=0.8,text/plain;q=0.5,*/*;q=0.1"
)
"""The older format first: what is read is the same, and it has no exemplars to be passed over."""

_JSON_ALONE = ("n", "\t", "\r")
"""Where JSON may read what the format does not: null, and more blanks."""
_ABSENT = (("N", "NaN"), ("I", "+Inf"), ("I", "-Inf"), ("I", "Inf"))
_NUMBERS = msgspec.json.Decoder(list[Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | float | None])


class _Values(NamedTuple):
    """Of the lines of a page."""

    numbers: list[messages.Value | None]
    """None for NaN and infinities, and None at the end: a cell of a table that no line fills is the line -1."""
    unusable: int


class Decoder:
    """Decodes the pages of one source; remembers the last one."""

    def __init__(self) -> None:
        self._known: exposition.Study | None = None

    def decode(self, body: bytes, name: str = "prometheus") -> port.Reading:
        """Return one block per kind; raise Temporary when it is something else, or not all of it."""
        return self.stream([body], name)

    def stream(self, chunks: Iterable[bytes], name: str = "prometheus") -> port.Reading:
        """Return the same of a page that comes chunk by chunk; of a known one no text is kept, just its values."""
        pieces = cells.pieces(chunks)
        known = self._known
        if known is None:
            return self._first(cells.text(pieces), name)
        values, text = _again(known.layout, pieces)
        if values:
            return _reading(known, values, name)
        del known
        return self._first(text, name)

    def _first(self, text: bytes, name: str) -> port.Reading:
        self._known = None
        study, numbers = exposition.study(text)
        if study.steady:
            self._known = study
        return _reading(study, _finite(numbers), name)


def source(name: str, location: str) -> port.Source:
    return document.Document(name, location, Decoder().stream, ACCEPT)


def decode(body: bytes, name: str = "prometheus") -> port.Reading:
    """Return the same of a page that comes once."""
    return Decoder().decode(body, name)


def _again(known: layout.Layout, pieces: Iterator[bytes]) -> tuple[_Values | None, bytes]:
    """Return the values; or None, and the text, when it is another page."""
    words, other = known.values(pieces)
    values = _values("\n".join(words)) if other is None else None
    if values and len(values.numbers) == len(known) + 1:
        return values, b""
    between = [] if other is None else [other]
    return None, cells.text(itertools.chain(known.page(words), between, pieces))


def _values(words: str) -> _Values | None:
    """Return the value of each line; None when one of them is none.

    As JSON it is read four times as fast as word by word.
    """
    try:
        nulled = _nulled(words)
        numbers: list[messages.Value | None] = [*_NUMBERS.decode(f"[{nulled}]"), None]
        return _Values(numbers, numbers.count(None) - 1 if "u" in nulled else 0)
    except (msgspec.MsgspecError, ValueError):
        with contextlib.suppress(ValueError):
            return _finite([exposition.rest(word) for word in words.split("\n")])
    return None


def _nulled(words: str) -> str:
    """Return them with null for each that is no number; raise ValueError when JSON would read too much.

    To look for single characters takes a tenth of the time.
    """
    if any(more in words for more in _JSON_ALONE):
        raise ValueError(words[:50])
    for mark, absent in _ABSENT:
        if mark in words:
            words = words.replace(absent, "null")
    return words.replace("\n", ",")


def _finite(numbers: list[int | float]) -> _Values:
    found = [number if math.isfinite(number) else None for number in numbers]
    return _Values([*found, None], found.count(None))


def _reading(study: exposition.Study, values: _Values, name: str) -> port.Reading:
    blocks = [
        messages.Block(
            kind=table.kind,
            fields=table.fields,
            names=table.names,
            values=tuple(map(values.numbers.__getitem__, table.slots)),
            source=name,
        )
        for table in study.tables
    ]
    return port.Reading(tuple(blocks), study.unusable + values.unusable)
