"""A stream of parts: any zlib reads it, whatever was remembered from the snapshot before."""

import random
import zlib

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concierge_proto import messages, parts
from tests.unit.proto import samples


def block(names: list[str], kind: str = "gauge") -> messages.Block:
    chance = random.Random(len(names))  # noqa: S311 - not a secret
    return messages.Block(
        kind=kind,
        fields=("value",),
        names=tuple(names),
        values=tuple(chance.choice([chance.random(), chance.randrange(9), None, "text"]) for _ in names),
        source="app",
    )


def snapshot(*blocks: messages.Block) -> messages.Snapshot:
    return messages.Snapshot(service="web", instance="web-1", time_ns=1, seq=1, boot="b", blocks=blocks)


def packed(packer: parts.Packer, one: messages.Snapshot) -> bytes:
    body = packer.pack(one, 0)
    assert body is not None
    return body


letters = st.characters(exclude_categories=["Cs"])
names = st.lists(st.text(letters, max_size=20), unique=True, max_size=40)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(names.map(block), max_size=4), max_size=4))
def test_any_zlib_reads_the_msgpack_of_each_snapshot(several: list[list[messages.Block]]) -> None:
    packer = parts.Packer()
    for blocks in several:
        one = snapshot(*blocks)
        assert zlib.decompress(packed(packer, one)) == msgspec.msgpack.encode(one)


@pytest.mark.parametrize("count", [0, 1, 15, 16, 999, 1000, 1001, 1016, 65_535, 65_536, 70_000])
def test_every_length_of_an_array(count: int) -> None:
    one = snapshot(block([str(number) for number in range(count)]))
    assert zlib.decompress(packed(parts.Packer(), one)) == msgspec.msgpack.encode(one)


def test_the_sample_with_every_field() -> None:
    one = samples.ALL[0]
    assert isinstance(one, messages.Snapshot)
    assert zlib.decompress(packed(parts.Packer(), one)) == msgspec.msgpack.encode(one)


def test_names_are_compressed_once_as_long_as_they_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    packer = parts.Packer()
    some, other = [f"metric.{number}" for number in range(5000)], ["a", "b"]
    packed(packer, snapshot(block(other), block(some)))
    monkeypatch.setattr(parts, "_array", lambda names: pytest.fail(f"{len(names)} names again"))
    again = snapshot(block(list(other), "counter"), block(some))
    assert zlib.decompress(packed(packer, again)) == msgspec.msgpack.encode(again)


def test_names_may_move_from_block_to_block() -> None:
    packer = parts.Packer()
    turns: list[list[list[str]]] = [
        [["a"], ["b", "c"]],
        [["b", "c"], ["a"]],
        [[]],
        [["b", "c"]],
        [[], ["a"], []],
    ]
    for blocks in turns:
        one = snapshot(*map(block, blocks))
        assert zlib.decompress(packed(packer, one)) == msgspec.msgpack.encode(one)


def test_names_that_are_gone_are_forgotten() -> None:
    packer = parts.Packer()
    for turn in range(50):
        packed(packer, snapshot(block([f"{turn}.{number}" for number in range(10)])))
    assert len(packer._known) == 1


def test_below_the_least_there_is_no_stream() -> None:
    one = snapshot(block(["a"]))
    size = len(msgspec.msgpack.encode(one))
    assert parts.Packer().pack(one, size + 1) is None
    assert parts.Packer().pack(one, size)


def test_it_is_as_small_as_in_one_go() -> None:
    one = snapshot(block([f"com.example.shop.metric.{number}" for number in range(5000)]))
    assert len(packed(parts.Packer(), one)) < 1.1 * len(zlib.compress(msgspec.msgpack.encode(one), 1))
