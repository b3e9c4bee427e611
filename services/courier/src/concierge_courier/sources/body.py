"""The body of an answer: read to its end under a bound, and inflated under the same one."""

import http.client
import io
import itertools
import zlib
from collections.abc import Callable, Iterable, Iterator

from concierge_proto import errors

CHUNK = 64 * 1024
"""Bytes: small enough for the allocator to keep, larger ones would be mapped anew each time."""
_ENOUGH = 4
"""Bytes that tell JSON from text: a mark of UTF-8 and a brace."""
_PLAIN = {"", "identity"}
_SQUEEZED = {"gzip", "x-gzip", "deflate"}
_ANY_HEADER = 47
"""zlib or gzip, whichever it is."""
_NO_HEADER = -15
"""What some servers mean by deflate."""
_MEMBERS = 100
"""Of one gzip body. A million empty ones would keep the processor busy for hours."""


def chunks(
    response: http.client.HTTPResponse, size: int, hurry: Callable[[], None], where: str
) -> Iterator[bytes]:
    """Yield the document of an answer.

    Args:
        response: Its head has been read.
        size: Bytes, of what is sent and of what it inflates to.
        hurry: Called before each read; may raise.
        where: What errors call it.

    Raises:
        Temporary: Too large, broken off, or in an encoding that nobody asked for.
        zlib.error: It does not inflate.
    """
    coding = response.getheader("Content-Encoding", "").strip().lower()
    if coding not in _PLAIN | _SQUEEZED:
        raise errors.Temporary(
            f"{where} answered in the encoding {coding[:50]!r}, which it was not asked for"
        )
    received = _received(response, size, hurry, where)
    if coding in _PLAIN:
        yield from received
    else:
        yield capped(inflate(joined(received), size + 1), size, where)


def joined(pieces: Iterable[bytes]) -> bytes:
    """Return them as one, which is in memory once."""
    whole = io.BytesIO()
    for piece in pieces:
        whole.write(piece)
    return whole.getvalue()


def peeked(pieces: Iterable[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Return how a document begins, without the blanks before it, and all of it."""
    rest = iter(pieces)
    begin = b""
    while len(begin) < _ENOUGH and (more := next(rest, b"")):
        begin = (begin + more).lstrip()
    return begin, itertools.chain([begin], rest)


def inflate(content: bytes, most: int) -> bytes:
    """Return up to `most` bytes of what was gzip or deflate; raise zlib.error."""
    try:
        return _inflate(content, most, _ANY_HEADER)
    except zlib.error:
        if content[:2] == b"\x1f\x8b":
            raise
    return _inflate(content, most, _NO_HEADER)


def capped(content: bytes, size: int, where: str) -> bytes:
    if len(content) > size:
        raise too_large(where, size)
    return content


def _received(
    response: http.client.HTTPResponse, size: int, hurry: Callable[[], None], where: str
) -> Iterator[bytes]:
    if (response.length or 0) > size:
        raise too_large(where, size)
    received = 0
    while received <= size:
        hurry()
        chunk = response.read1(CHUNK)
        if not chunk:
            break
        yield chunk
        received += len(chunk)
    if received > size:
        raise too_large(where, size)
    if response.length:
        raise errors.Temporary(f"{where} broke off after {received:,} bytes")


def _inflate(content: bytes, most: int, form: int) -> bytes:
    """A gzip may have several members, one behind the other."""
    found = bytearray()
    for _ in range(_MEMBERS):
        one = zlib.decompressobj(form)
        found += one.decompress(content, most - len(found))
        if not one.eof and len(found) < most:
            raise zlib.error("compressed data broke off")
        content = one.unused_data
        if not content or len(found) >= most:
            return bytes(found)
    raise zlib.error(f"more than {_MEMBERS} compressed parts")


def too_large(where: str, size: int) -> errors.Temporary:
    return errors.Temporary(
        f"{where} is larger than {size:,} bytes: publish fewer metrics, or raise --max-body"
    )
