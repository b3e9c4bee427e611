"""Bodies: JSON for people and every language, msgpack for the snapshot; zlib above 64 kB for what can be large."""

import zlib
from typing import TypeVar

import msgspec

from concierge_proto import errors, parts
from concierge_proto.messages import Discovery, Snapshot

T = TypeVar("T")

ZLIB_FROM = 64 * 1024
"""Bytes. Below it zlib costs more than it saves (measured: 7.6 ms for 1.3 MB)."""
HEADER_ROOM = 4 * 1024
"""Bytes kept free below `max_payload`: headers count against it, and nats-py does not check them."""
INFLATED_MAX = 256 * 1024 * 1024
"""Bytes. A body that grows past this is refused, not unpacked."""

_packer = parts.Packer()


def encode(message: msgspec.Struct) -> tuple[bytes, str]:
    """Return the body and the name of its encoding; raise Malformed for what no encoding can hold."""
    try:
        if isinstance(message, Snapshot):
            packed = _packer.pack(message, ZLIB_FROM)
            return (packed, "msgpack+zlib") if packed else (msgspec.msgpack.encode(message), "msgpack")
        body = msgspec.json.encode(message)
    except (OverflowError, UnicodeEncodeError) as error:
        raise errors.Malformed(f"{type(message).__name__}: {error}") from error
    if isinstance(message, Discovery) and len(body) >= ZLIB_FROM:
        return zlib.compress(body, 1), "json+zlib"
    return body, "json"


def decode(kind: type[T], body: bytes, encoding: str = "json") -> T:
    """Return the message of a body; raise Malformed with the path of the mistake."""
    try:
        plain = _inflate(body) if encoding.endswith("+zlib") else body
        if encoding.startswith("json"):
            return msgspec.json.decode(plain, type=kind)
        return msgspec.msgpack.decode(plain, type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError, zlib.error) as error:
        raise errors.Malformed(f"{kind.__name__}: {error}") from error


def check_size(body: bytes, max_payload: int) -> None:
    """Raise TooLarge when the server would refuse this body with its headers."""
    limit = max_payload - HEADER_ROOM
    if len(body) > limit:
        raise errors.TooLarge(
            f"a message of {len(body):,} bytes passes the bus's limit of {limit:,}: "
            "filter the metrics, or raise max_payload in the NATS server's configuration",
        )


def _inflate(body: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    data = unpacker.decompress(body, INFLATED_MAX)
    if unpacker.unconsumed_tail:
        raise errors.TooLarge(f"a body unpacks to more than {INFLATED_MAX:,} bytes")
    if not unpacker.eof:
        raise errors.Malformed("a compressed body is torn")
    return data
