"""The wire format, read back by an independent few lines."""

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as some

from concierge_backends.zabbix import framing
from concierge_proto import errors


def unpacked(wire: bytes) -> bytes:
    head, rest = wire[:5], wire[5:]
    width = framing.width(head)
    form = framing.lengths(head, rest[:width])
    assert len(rest) - width == form.data
    return framing.unpack(rest[width:], form)


def test_a_small_body_stays_plain() -> None:
    assert framing.pack(b"{}") == b"ZBXD\x01\x02\x00\x00\x00\x00\x00\x00\x00{}"


def test_a_large_body_is_compressed() -> None:
    body = b"abc" * 1000
    wire = framing.pack(body)
    assert wire[:5] == b"ZBXD\x03"
    assert struct.unpack("<II", wire[5:13]) == (len(wire) - 13, len(body))
    assert zlib.decompress(wire[13:]) == body


@given(some.binary(max_size=3000))
def test_what_is_packed_unpacks(body: bytes) -> None:
    assert unpacked(framing.pack(body)) == body


def test_a_reply_in_the_large_form_is_read() -> None:
    assert unpacked(b"ZBXD\x05" + struct.pack("<QQ", 2, 0) + b"{}") == b"{}"


@pytest.mark.parametrize("head", [b"HTTP/", b"ZBXD\x00", b"ZB"])
def test_another_protocol_is_named(head: bytes) -> None:
    with pytest.raises(errors.Temporary, match="no Zabbix answers"):
        framing.width(head)


def test_a_version_that_we_do_not_know_is_named() -> None:
    with pytest.raises(errors.Temporary, match="unknown version answers there: flags 0x09"):
        framing.width(b"ZBXD\x09")


@pytest.mark.parametrize("announced", [1 << 31, framing.LIMIT + 1])
def test_a_reply_of_absurd_size_is_not_read(announced: int) -> None:
    with pytest.raises(errors.Temporary, match="announced a reply"):
        framing.lengths(b"ZBXD\x01", struct.pack("<II", announced, 0))


def test_a_bomb_is_not_unpacked() -> None:
    bomb = zlib.compress(b"0" * 1_000_000)
    with pytest.raises(errors.Temporary, match="sent others"):
        framing.unpack(bomb, framing.Lengths(len(bomb), 10, compressed=True))


def test_garbage_does_not_unpack() -> None:
    with pytest.raises(errors.Temporary, match="does not unpack"):
        framing.unpack(b"garbage", framing.Lengths(7, 10, compressed=True))
