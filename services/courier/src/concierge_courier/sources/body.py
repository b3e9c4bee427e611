"""The body of an answer: read to its end under a bound, and inflated under the same one."""

import http.client
import zlib
from collections.abc import Callable

from concierge_proto import errors

_CHUNK = 256 * 1024
_PLAIN = {"", "identity"}
_SQUEEZED = {"gzip", "x-gzip", "deflate"}
_ANY_HEADER = 47
"""zlib or gzip, whichever it is."""
_NO_HEADER = -15
"""What some servers mean by deflate."""
_MEMBERS = 100
"""Of one gzip body. A million empty ones would keep the processor busy for hours."""


def read(response: http.client.HTTPResponse, size: int, hurry: Callable[[], None], where: str) -> bytes:
    """Return the document of an answer.

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
    content = _received(response, size, hurry, where)
    return content if coding in _PLAIN else capped(inflate(content, size + 1), size, where)


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
        raise errors.Temporary(_too_large(where, size))
    return content


def _received(response: http.client.HTTPResponse, size: int, hurry: Callable[[], None], where: str) -> bytes:
    if (response.length or 0) > size:
        raise errors.Temporary(_too_large(where, size))
    content = bytearray()
    while len(content) <= size:
        hurry()
        chunk = response.read1(_CHUNK)
        if not chunk:
            break
        content += chunk
    if response.length and len(content) <= size:
        raise errors.Temporary(f"{where} broke off after {len(content):,} bytes")
    return capped(bytes(content), size, where)


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


def _too_large(where: str, size: int) -> str:
    return f"{where} is larger than {size:,} bytes: publish fewer metrics, or raise --max-body"
