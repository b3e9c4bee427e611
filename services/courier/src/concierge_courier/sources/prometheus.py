"""Prometheus: its text format 0.0.4, and OpenMetrics 1.0.

Between two collections a page changes in its numbers, hardly ever in its lines. So what the lines are is
found out once, and as long as all of them read the same but for their last word, only that is read.
"""

import contextlib
import hashlib
import math
from typing import Annotated, NamedTuple

import msgspec

from concierge_courier.sources import cells, document, exposition, fetch, port
from concierge_proto import messages

ACCEPT = fetch.Wanted(
    "text/plain;version=0.0.4;q=1,application/openmetrics-text;version=1.0.0;q=0.8,text/plain;q=0.5,*/*;q=0.1"
)
"""The older format first: what is read is the same, and it has no exemplars to be passed over."""

_JSON_ALONE = (b"null", b"\t", b"\r")
"""What JSON reads, and the format does not."""
_ABSENT = (b"NaN", b"+Inf", b"-Inf", b"Inf")
_NUMBERS = msgspec.json.Decoder(list[Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | float | None])


class _Known(NamedTuple):
    """A page, but for its numbers."""

    mark: bytes
    """Of all lines without their last words."""
    said: list[bytes]
    """The last words of the lines that are no samples."""
    study: exposition.Study


class Decoder:
    """Decodes the pages of one source; remembers the last one."""

    def __init__(self) -> None:
        self._known: _Known | None = None

    def decode(self, body: bytes, name: str = "prometheus") -> port.Reading:
        """Return one block per kind; raise Temporary when it is something else, or not all of it."""
        text = cells.text(body)
        words, mark = _split(text)
        known = self._known
        if known and known.mark == mark and _said(words, known.study) == known.said:
            numbers = _numbers(words, known.study)
            if numbers:
                return _reading(known.study, numbers, name)
            words, mark = _split(text)
        self._known = known = None
        study = exposition.study(text)
        last, study = study.words, study._replace(words=[])
        said = _said(words, study)
        if _mask(words, study) == last:
            self._known = _Known(mark, said, study)
        del words
        return _reading(study, _finite([exposition.number(word) for word in last]), name)


def source(name: str, location: str) -> port.Source:
    return document.Document(name, location, Decoder().decode, ACCEPT)


def decode(body: bytes, name: str = "prometheus") -> port.Reading:
    """Return the same of a page that comes once."""
    return Decoder().decode(body, name)


def _split(text: bytes) -> tuple[list[bytes], bytes]:
    """Return the last word of each line, and a hash of everything before it."""
    words: list[bytes] = []
    mark = hashlib.sha256()
    for lines in cells.batches(text):
        parts = [line.rpartition(b" ") for line in lines]
        mark.update(b"\n".join([part[0] for part in parts]) + b"\n")
        words += [part[2] for part in parts]
    return words, mark.digest()


def _said(words: list[bytes], study: exposition.Study) -> list[bytes]:
    return [words[at] for at in study.others]


def _mask(words: list[bytes], study: exposition.Study) -> list[bytes]:
    """Put a 0 in place of each line that is no sample."""
    for at in study.others:
        words[at] = b"0"
    return words


def _numbers(words: list[bytes], study: exposition.Study) -> list[messages.Value | None]:
    """Return the value of each line, None for NaN and infinities; nothing, when one of them is no value.

    As JSON it is read four times as fast as word by word.
    """
    joined = b",".join(_mask(words, study))
    with contextlib.suppress(msgspec.MsgspecError):
        if not any(more in joined for more in _JSON_ALONE):
            for word in _ABSENT:
                joined = joined.replace(word, b"null")
            numbers = _NUMBERS.decode(b"[" + joined + b"]")
            return list(numbers) if len(numbers) == len(words) else []
    try:
        return _finite([exposition.number(word) for word in words])
    except ValueError:
        return []


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
