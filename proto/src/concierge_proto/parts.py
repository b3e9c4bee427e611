"""A large snapshot as one zlib stream, put together from parts, so that names are compressed once and not each time.

A part ends with a full flush: nothing behind it refers to what stands before it. So it can be kept and put into
another stream, and any zlib reads the whole as what it is: the msgpack of the snapshot.
"""

import itertools
import secrets
import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from concierge_proto.messages import Block, Snapshot

_HEAD = b"\x78\x01"
"""Of a zlib stream at level 1."""
_END = b"\x03\x00"
"""An empty last block."""
_BASE = 65521
"""Adler-32 counts modulo this prime (RFC 1950)."""
_AT_ONCE = 1000
"""Names that are unpacked in memory."""
_MARK = secrets.token_bytes(16)
"""Where names are to stand."""

Names = tuple[str, ...]


class Part(NamedTuple):
    """A run of bytes, compressed."""

    size: int
    """Bytes before."""
    check: int
    """Adler-32 of them."""
    packed: bytes


class Packer:
    """Packs the snapshots of one courier; remembers the names of the last one."""

    def __init__(self) -> None:
        self._known: list[tuple[Names, Part]] = []
        """Block by block."""

    def pack(self, snapshot: Snapshot, least: int) -> bytes | None:
        """Return the zlib stream of its msgpack; None when that would have less than `least` bytes.

        Raises what msgspec raises for a value that msgpack can't hold.
        """
        between = _frame(snapshot).split(_MARK)
        names = self._packed([block.names for block in snapshot.blocks])
        if sum(map(len, between)) + sum(part.size for part in names) < least:
            return None
        rows = itertools.zip_longest([_part([piece]) for piece in between], names)
        return joined(part for part in itertools.chain.from_iterable(rows) if part)

    def _packed(self, wanted: list[Names]) -> list[Part]:
        """Return the names of each block as a part: that of the same block last time, if they are the same."""
        before = itertools.chain(self._known, itertools.repeat(None))
        self._known = [
            known if known and known[0] == names else (names, _part(_array(names)))
            for names, known in zip(wanted, before, strict=False)
        ]
        return [part for _, part in self._known]


def joined(parts: Iterable[Part]) -> bytes:
    """Return one zlib stream of several."""
    pieces, check = [_HEAD], 1
    for part in parts:
        pieces.append(part.packed)
        check = _combined(check, part)
    return b"".join([*pieces, _END, check.to_bytes(4, "big")])


def _frame(snapshot: Snapshot) -> bytes:
    """Return its msgpack with a mark in place of the names of each block."""
    fields = msgspec.structs.asdict(snapshot)
    return msgspec.msgpack.encode(fields | {"blocks": [_nameless(block) for block in snapshot.blocks]})


def _nameless(block: Block) -> dict[str, object]:
    return msgspec.structs.asdict(block) | {"names": msgspec.Raw(_MARK)}


def _array(names: Names) -> Iterator[bytes]:
    """Yield the msgpack of names, never all of it at once."""
    yield _array_head(len(names))
    for start in range(0, len(names), _AT_ONCE):
        some = names[start : start + _AT_ONCE]
        yield msgspec.msgpack.encode(some).removeprefix(_array_head(len(some)))


def _array_head(length: int) -> bytes:
    """Return what stands before the elements: nil is one byte."""
    return msgspec.msgpack.encode([None] * length)[: -length or None]


def _part(pieces: Iterable[bytes]) -> Part:
    packer = zlib.compressobj(1, wbits=-zlib.MAX_WBITS)
    size, check, packed = 0, 1, b""
    for piece in pieces:
        size, check = size + len(piece), zlib.adler32(piece, check)
        packed += packer.compress(piece)
    return Part(size, check, packed + packer.flush(zlib.Z_FULL_FLUSH))


def _combined(check: int, part: Part) -> int:
    """Return the Adler-32 of what `check` is of, with the part behind it."""
    low, high = check & 0xFFFF, check >> 16
    added = (part.check & 0xFFFF) - 1
    total = part.size * low + high + (part.check >> 16) - part.size
    return (total % _BASE) << 16 | (low + added) % _BASE
