"""Any JSON document: flattened by path, and what of it is wanted."""

import json
import math
import tracemalloc
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concierge_courier.sources import flat, port
from concierge_proto import errors, messages

DOCUMENT = {
    "queue": {"size": 5, "full": False, "names": ["a", "b"]},
    "pools": [{"free": 1.5}, {"free": 2}],
    "queues": 9,
    "state": "UP",
    "none": None,
}


def values(reading: port.Reading) -> dict[str, messages.Value | None]:
    return {
        name: value for block in reading.blocks for name, value in zip(block.names, block.values, strict=True)
    }


def decode(found: Any, paths: str = "") -> port.Reading:
    return flat.decode(json.dumps(found).encode(), "app", flat.including(paths))


def test_a_document_is_flat() -> None:
    reading = decode(DOCUMENT)
    assert values(reading) == {
        "queue.size": 5,
        "queue.full": 0,
        "queue.names.0": "a",
        "queue.names.1": "b",
        "pools.0.free": 1.5,
        "pools.1.free": 2,
        "queues": 9,
        "state": "UP",
        "none": None,
    }
    assert [(block.kind, block.fields, block.source) for block in reading.blocks] == [
        ("gauge", ("value",), "app")
    ]
    assert reading.unusable == 0


def test_booleans_are_numbers_that_no_codec_makes_booleans_of() -> None:
    assert type(values(decode({"a": True}))["a"]) is int


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        ("queue", {"queue.size", "queue.full", "queue.names.0", "queue.names.1"}),
        ("queue.size", {"queue.size"}),
        ("pools.*.free, state", {"pools.0.free", "pools.1.free", "state"}),
        ("q*s", {"queues", "queue.names.0", "queue.names.1"}),
        ("nothing", set()),
        (",", set(values(decode(DOCUMENT)))),
    ],
)
def test_paths_are_named_with_all_beneath_them(paths: str, found: set[str]) -> None:
    assert set(values(decode(DOCUMENT, paths))) == found


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", '"NaN"', "1e400", "9" * 400])
def test_no_number_is_absent_and_counted(value: str) -> None:
    reading = flat.decode(b'{"bad": %s, "good": 1}' % value.encode())
    assert values(reading) == {"bad": None, "good": 1}
    assert reading.unusable == 1


def test_a_path_that_is_there_twice_is_told() -> None:
    reading = decode({"a.b": 1, "a": {"b": 2}})
    assert values(reading) == {"a.b": 2}
    assert reading.unusable == 1


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"5", b'"text"', b"null", b"[" * 100_000, b'{"a":' * 100_000],
    ids=["nothing", "html", "number", "text", "null", "brackets", "braces"],
)
def test_anything_else_is_refused_with_a_sentence(body: bytes) -> None:
    with pytest.raises(errors.Temporary, match=r"not JSON|no metrics"):
        flat.decode(body)


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"a": [], "b": {}}'])
def test_a_document_without_values_is_empty(body: bytes) -> None:
    assert flat.decode(body) == port.Reading(())


def test_a_path_that_nobody_could_use_is_left_out() -> None:
    reading = decode({"x" * 3000: {"a": 1}, "": 2, "good": 3})
    assert values(reading) == {"good": 3}
    assert reading.unusable == 2


@pytest.mark.parametrize(
    "found",
    [{"a": [1] * 201_000}, {"a" * 2000: [1] * 100_000}, [[[]] * 150_000], {"b": [0] * 500_000}],
    ids=["values", "names", "empty", "commas"],
)
def test_too_much_costs_bounded_memory(found: Any) -> None:
    body = json.dumps(found).encode()
    tracemalloc.start()
    try:
        flat.decode(body)
    except errors.Temporary as error:
        assert "the most" in str(error)  # noqa: PT017 - either end is right
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 * 2**20


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@given(anything)
@settings(max_examples=200, deadline=None)
def test_any_json_is_read_or_refused_and_can_be_sent(found: Any) -> None:
    try:
        reading = decode(found)
    except errors.Temporary:
        assert not isinstance(found, dict | list)
        return
    for block in reading.blocks:
        assert all(math.isfinite(value) for value in block.values if isinstance(value, float))
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(block), type=messages.Block) == block


@given(st.binary())
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        flat.decode(body)
    except errors.Temporary as error:
        assert str(error)  # noqa: PT017 - either end is right
