"""Zabbix's wire format: `ZBXD`, flags, two lengths, and JSON that may be compressed."""

import struct
import zlib
from typing import NamedTuple

from concierge_proto import errors

MAGIC = b"ZBXD"
PLAIN, ZLIB, LARGE = 0x01, 0x02, 0x04
HEAD = 5
"""Bytes that say how long the lengths are."""
LIMIT = 128 * 1024 * 1024
"""Bytes of a reply, packed and unpacked; Zabbix's own replies to a sender are small."""


class Lengths(NamedTuple):
    """What stands before the data: bytes to read, and bytes they unpack to."""

    data: int
    unpacked: int
    compressed: bool


def pack(body: bytes) -> bytes:
    """Return the body with its header, compressed when that helps."""
    packed = zlib.compress(body, 1)
    if len(packed) < len(body):
        return _header(PLAIN | ZLIB, len(packed), len(body)) + packed
    return _header(PLAIN, len(body), 0) + body


def _header(flags: int, length: int, reserved: int) -> bytes:
    wide = max(length, reserved) > 0xFFFFFFFF  # noqa: PLR2004 - the largest of 4 bytes
    return MAGIC + struct.pack("<BQQ" if wide else "<BII", flags | (LARGE if wide else 0), length, reserved)


def width(head: bytes) -> int:
    """Return how many bytes of lengths follow the first five; raise Temporary for another protocol."""
    if len(head) != HEAD or head[:4] != MAGIC or not head[4] & PLAIN:
        raise errors.Temporary(f"no Zabbix answers there: it sent {head[:HEAD]!r}", delay=10)
    if head[4] & ~(PLAIN | ZLIB | LARGE):
        raise errors.Temporary(
            f"a Zabbix of an unknown version answers there: flags {head[4]:#04x}", delay=10
        )
    return 16 if head[4] & LARGE else 8


def lengths(head: bytes, rest: bytes) -> Lengths:
    """Return the lengths; raise Temporary for a reply that no Zabbix sends."""
    data, unpacked = struct.unpack("<QQ" if head[4] & LARGE else "<II", rest)
    if max(data, unpacked) > LIMIT:
        raise errors.Temporary(
            f"a Zabbix server announced a reply of {max(data, unpacked):,} bytes", delay=10
        )
    return Lengths(data, unpacked, bool(head[4] & ZLIB))


def unpack(data: bytes, form: Lengths) -> bytes:
    """Return the body of a reply; raise Temporary when it does not unpack to what was announced."""
    if not form.compressed:
        return data
    unpacker = zlib.decompressobj()
    try:
        body = unpacker.decompress(data, form.unpacked + 1)
    except zlib.error as error:
        raise errors.Temporary(f"a Zabbix server's reply does not unpack: {error}") from error
    if len(body) != form.unpacked:
        raise errors.Temporary(f"a Zabbix server announced {form.unpacked} bytes and sent others")
    return body
