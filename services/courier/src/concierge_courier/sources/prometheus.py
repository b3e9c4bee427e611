"""Prometheus: its text format 0.0.4, and OpenMetrics 1.0.

Between two collections a page changes in its numbers, hardly ever in its lines. So what the lines are is
found out once, and as long as all of them begin as they did, only the rest of them is read.
"""

import contextlib
import math
from typing import Annotated

import msgspec

from concierge_courier.sources import cells, document, exposition, fetch, port
from concierge_proto import messages

ACCEPT = fetch.Wanted(
    "text/plain;version=0.0.4;q=1,application/openmetrics-text;version=1.0.0;q=0.8,text/plain;q=0.5,*/*;q=0.1"
)
"""The older format first: what is read is the same, and it has no exemplars to be passed over."""

_JSON_ALONE = ("n", "\t", "\r")
"""Where JSON may read what the format does not: null, and more blanks."""
_ABSENT = (("N", "NaN"), ("I", "+Inf"), ("I", "-Inf"), ("I", "Inf"))
_NUMBERS = msgspec.json.Decoder(list[Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | float | None])


class Decoder:
    """Decodes the pages of one source; remembers the last one."""

    def __init__(self) -> None:
        self._known: exposition.Study | None = None

    def decode(self, body: bytes, name: str = "prometheus") -> port.Reading:
        """Return one block per kind; raise Temporary when it is something else, or not all of it.

        What is no longer needed is forgotten at once: text and numbers together would be the courier's peak.
        """
        text = cells.text(body)
        del body
        known, self._known = self._known, None
        words = known.layout.values(text) if known else None
        if known and words is not None:
            del text
            numbers = _numbers(words, len(known.layout))
            if numbers:
                self._known = known
                return _reading(known, numbers, name)
            text = known.layout.page(words)
        del known, words
        return self._first(text, name)

    def _first(self, text: bytes, name: str) -> port.Reading:
        study, numbers = exposition.study(text)
        if study.steady:
            self._known = study
        return _reading(study, _finite(numbers), name)


def source(name: str, location: str) -> port.Source:
    return document.Document(name, location, Decoder().decode, ACCEPT)


def decode(body: bytes, name: str = "prometheus") -> port.Reading:
    """Return the same of a page that comes once."""
    return Decoder().decode(body, name)


def _numbers(words: str, wanted: int) -> list[messages.Value | None]:
    """Return the value of each line, None for NaN and infinities; nothing, when one of them is none.

    As JSON it is read four times as fast as word by word.
    """
    numbers: list[messages.Value | None] = []
    try:
        numbers += _NUMBERS.decode(f"[{_nulled(words)}]")
    except (msgspec.MsgspecError, ValueError):
        with contextlib.suppress(ValueError):
            numbers = _finite([exposition.rest(word) for word in words.split("\n")])
    return numbers if len(numbers) == wanted else []


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


def _finite(numbers: list[int | float]) -> list[messages.Value | None]:
    return [number if math.isfinite(number) else None for number in numbers]


def _reading(study: exposition.Study, numbers: list[messages.Value | None], name: str) -> port.Reading:
    unusable = study.unusable + numbers.count(None)
    values = [*numbers, None]
    blocks = [
        messages.Block(
            kind=table.kind,
            fields=table.fields,
            names=table.names,
            values=tuple(map(values.__getitem__, table.slots)),
            source=name,
        )
        for table in study.tables
    ]
    return port.Reading(tuple(blocks), unusable)
