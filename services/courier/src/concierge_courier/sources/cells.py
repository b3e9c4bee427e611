"""What a value may be on its way, and how much of a document is still one."""

import io
import json
import math
from collections.abc import Iterable, Iterator
from typing import Any

from concierge_proto import errors

UNUSABLE: Any = object()
"""Instead of a value that no metric can carry."""
MOST = 200_000
"""Values of one document: what nobody wants to collect must not cost the application its memory."""
_PIECES = 400_000
"""Lines of a text, or commas of a JSON document."""
_BATCH = 65536
"""Bytes of lines that are in memory at once."""
_MARK = b"\xef\xbb\xbf"
"""Before UTF-8, by programs that do not know that it has no order of bytes."""
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


def pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a text in pieces of whole lines that end as they should, without the end of each one's last."""
    mark = _MARK
    for piece in _pieces(chunks):
        plain = piece.removeprefix(mark)
        yield (plain + b"\n").replace(b"\r\n", b"\n")[:-1] if b"\r" in plain else plain
        mark = b""


def text(found: Iterable[bytes]) -> bytes:
    """Return pieces as one text; it is in memory once."""
    whole = io.BytesIO()
    for piece in found:
        whole.write(piece)
        whole.write(b"\n")
    return whole.getvalue()


def lines(text: bytes) -> Iterator[bytes]:
    """Yield the lines of a text, never all of them in memory at once; raise Temporary when they are too many."""
    bound(text.count(b"\n"), _PIECES, "lines")
    for piece in _pieces([text]):
        yield from piece.split(b"\n")


def _pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    begun: list[bytes] = []
    for chunk in chunks:
        for start in range(0, len(chunk), _BATCH):
            part = chunk[start : start + _BATCH]
            end = part.rfind(b"\n")
            if end >= 0:
                yield b"".join([*begun, memoryview(part)[:end]])
                begun = []
            begun.append(part[end + 1 :])
    if any(begun):
        yield b"".join(begun)


def bound(found: int, most: int = MOST, what: str = "values") -> None:
    """Raise Temporary when a document is too much."""
    if found > most:
        raise errors.Temporary(f"{found:,} {what}, {most:,} is the most: publish fewer metrics")
