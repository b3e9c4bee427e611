"""Bodies: what goes in comes out, and garbage is refused in our own words."""

import zlib

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concierge_proto import codec, errors, messages
from tests.unit.proto import samples, shapes

KINDS = [type(sample) for sample in samples.ALL]
ENCODINGS = ["json", "json+zlib", "msgpack", "msgpack+zlib"]


def wide(names: int) -> messages.Snapshot:
    block = messages.Block(
        kind="gauge",
        fields=("value",),
        names=tuple(f"com.example.shop.metric.number.{n}" for n in range(names)),
        values=tuple(n / 7 for n in range(names)),
    )
    return messages.Snapshot(service="web", instance="web-1", time_ns=1, seq=1, boot="b", blocks=(block,))


@given(shapes.ANY)
def test_every_message_survives_the_bus(message: msgspec.Struct) -> None:
    body, encoding = codec.encode(message)
    assert codec.decode(type(message), body, encoding) == message


def test_a_small_snapshot_is_not_compressed() -> None:
    assert codec.encode(wide(10))[1] == "msgpack"


def test_a_large_snapshot_is_compressed_and_survives() -> None:
    body, encoding = codec.encode(wide(5000))
    assert encoding == "msgpack+zlib"
    assert len(body) < len(msgspec.msgpack.encode(wide(5000))) / 2
    assert codec.decode(messages.Snapshot, body, encoding) == wide(5000)


def test_a_long_discovery_is_compressed_and_stays_json() -> None:
    kinds = {"gauge": tuple(f'http_requests{{uri="/{n}"}}' for n in range(5000))}
    said = messages.Discovery(service="web", instance="web-1", time_ns=1, boot="b", kinds=kinds)
    body, encoding = codec.encode(said)
    assert encoding == "json+zlib"
    assert zlib.decompress(body) == msgspec.json.encode(said)
    assert codec.decode(messages.Discovery, body, encoding) == said
    few = msgspec.structs.replace(said, kinds={"gauge": kinds["gauge"][:10]})
    assert codec.encode(few) == (msgspec.json.encode(few), "json")


def test_compression_starts_at_its_threshold(monkeypatch: pytest.MonkeyPatch) -> None:
    size = len(msgspec.msgpack.encode(wide(10)))
    monkeypatch.setattr(codec, "ZLIB_FROM", size)
    assert codec.encode(wide(10))[1] == "msgpack+zlib"
    monkeypatch.setattr(codec, "ZLIB_FROM", size + 1)
    assert codec.encode(wide(10))[1] == "msgpack"


@given(st.sampled_from(KINDS), st.sampled_from(ENCODINGS), st.binary(max_size=400))
def test_garbage_is_malformed_and_nothing_else(kind: type, encoding: str, body: bytes) -> None:
    with pytest.raises(errors.Malformed):
        codec.decode(kind, body, encoding)


@given(st.data(), st.sampled_from(samples.ALL))
def test_a_damaged_message_is_read_or_refused(data: st.DataObject, message: msgspec.Struct) -> None:
    body, encoding = codec.encode(message)
    damaged = bytearray(body)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        if not damaged:
            return
    try:
        assert isinstance(codec.decode(type(message), bytes(damaged), encoding), type(message))
    except errors.Malformed as error:
        assert str(error).startswith(type(message).__name__)  # noqa: PT017 - either answer is right


@settings(max_examples=30)
@given(st.integers(1, 2000))
def test_a_torn_compressed_body_is_malformed(cut: int) -> None:
    body, encoding = codec.encode(wide(4000))
    with pytest.raises(errors.Malformed):
        codec.decode(messages.Snapshot, body[:-cut], encoding)


def test_a_bomb_is_refused_before_it_unpacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "INFLATED_MAX", 1024 * 1024)
    bomb = zlib.compress(b"\x00" * (64 * 1024 * 1024), 9)
    with pytest.raises(errors.TooLarge, match="1,048,576 bytes"):
        codec.decode(messages.Snapshot, bomb, "msgpack+zlib")


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"tags":' * 50_000, b"\x91" * 100_000])
def test_deep_nesting_is_malformed(body: bytes) -> None:
    for encoding in ("json", "msgpack"):
        with pytest.raises(errors.Malformed):
            codec.decode(messages.Trigger, body, encoding)


def test_a_block_whose_table_does_not_add_up_is_malformed() -> None:
    crooked = {"kind": "gauge", "fields": ["value"], "names": ["a", "b"], "values": [1]}
    body = msgspec.msgpack.encode({**msgspec.to_builtins(wide(1)), "blocks": [crooked]})
    with pytest.raises(errors.Malformed, match=r"a block of 2 cells holds 1 values.*blocks\[0\]"):
        codec.decode(messages.Snapshot, body, "msgpack")


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, "\ud800"])
def test_a_value_that_no_encoding_holds_is_malformed(value: messages.Value) -> None:
    block = messages.Block(kind="gauge", fields=("value",), names=("a",), values=(value,))
    snapshot = messages.Snapshot(service="web", instance="w", time_ns=1, seq=1, boot="b", blocks=(block,))
    with pytest.raises(errors.Malformed, match="Snapshot"):
        codec.encode(snapshot)


def test_the_cells_of_a_block_leave_out_what_is_absent() -> None:
    block = messages.Block(kind="timer", fields=("n", "p95"), names=("a", "b"), values=(1, None, 0, 0.5))
    assert list(block.cells()) == [("a", "n", 1), ("b", "n", 0), ("b", "p95", 0.5)]


def test_the_limit_of_a_message_leaves_room_for_its_headers() -> None:
    codec.check_size(b"x" * (1_048_576 - 4096), 1_048_576)
    with pytest.raises(errors.TooLarge, match="filter the metrics, or raise max_payload"):
        codec.check_size(b"x" * (1_048_576 - 4095), 1_048_576)
