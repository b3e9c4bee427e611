"""What a value may be on its way, and how much of a document is still one."""

import json
import math
from collections.abc import Iterator
from typing import Any

from concierge_proto import errors

UNUSABLE: Any = object()
"""Instead of a value that no metric can carry."""
MOST = 200_000
"""Values of one document: what nobody wants to collect must not cost the application its memory."""
_PIECES = 400_000
"""Lines of a text, or commas of a JSON document."""
_BATCH = 131072
"""Bytes of lines that are in memory at once."""
_LEAST, _LARGEST = -(2**63), 2**63 - 1
_NO_NUMBERS = {"NaN", "Infinity", "-Infinity"}
"""How Jackson writes a double that is no number."""


def number(value: object) -> Any:
    """Return a number that every codec can carry, None for nothing, `UNUSABLE` for anything else."""
    if value is None:
        return None
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int) and _LEAST <= value <= _LARGEST:
        return value
    if isinstance(value, int | float):
        try:
            found = float(value)
        except OverflowError:
            return UNUSABLE
        return found if math.isfinite(found) else UNUSABLE
    return UNUSABLE


def scalar(value: object) -> Any:
    """Return the same, and text as it is."""
    if not isinstance(value, str):
        return number(value)
    return UNUSABLE if value in _NO_NUMBERS else clean(value)


def clean(text: str) -> str:
    """Return text without lone surrogates: one would end the codec."""
    return text.encode("utf-8", "replace").decode("utf-8")


def parse(body: bytes) -> Any:
    """Return any JSON that Python can read, whatever the values are; raise Temporary when it is none."""
    bound(body.count(b","), _PIECES, "commas")
    try:
        return json.loads(body.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError) as error:
        raise errors.Temporary(f"not JSON: {error}") from error


def text(body: bytes) -> bytes:
    """Return a text whose lines end as they should."""
    return (body.replace(b"\r\n", b"\n") if b"\r" in body else body).removeprefix(b"\xef\xbb\xbf")


def pieces(text: bytes) -> Iterator[bytes]:
    """Yield a text in pieces of whole lines, without the last one's end."""
    start = 0
    while start < len(text):
        end = text.rfind(b"\n", start, start + _BATCH) + 1 or text.find(b"\n", start) + 1 or len(text)
        yield text[start:end].removesuffix(b"\n")
        start = end


def lines(text: bytes) -> Iterator[bytes]:
    """Yield the lines of a text, never all of them in memory at once; raise Temporary when they are too many."""
    bound(text.count(b"\n"), _PIECES, "lines")
    for piece in pieces(text):
        yield from piece.split(b"\n")


def bound(found: int, most: int = MOST, what: str = "values") -> None:
    """Raise Temporary when a document is too much."""
    if found > most:
        raise errors.Temporary(f"{found:,} {what}, {most:,} is the most: publish fewer metrics")
