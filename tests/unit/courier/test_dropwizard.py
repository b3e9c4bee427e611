"""Dropwizard's JSON: what is a metric, what is not, and that both ways of reading agree."""

import gzip
import json
import math
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from concierge_courier.sources import dropwizard, port
from concierge_proto import codec, errors, messages

REAL = Path(__file__).with_name("dropwizard4.json").read_bytes()


def cells(reading: port.Reading) -> dict[str, messages.Value]:
    return {
        f"{block.kind}[{name},{field}]": value
        for block in reading.blocks
        for name, field, value in block.cells()
    }


def decode(**sections: Any) -> port.Reading:
    return dropwizard.decode(json.dumps(sections).encode())


class TestARealDocument:
    reading = dropwizard.decode(REAL, "shop")

    def test_has_one_block_per_kind(self) -> None:
        kinds = [block.kind for block in self.reading.blocks]
        assert kinds == ["gauge", "counter", "histogram", "meter", "timer"]
        assert {block.source for block in self.reading.blocks} == {"shop"}

    def test_gauges_keep_their_type(self) -> None:
        found = cells(self.reading)
        assert found["gauge[jvm.memory.heap.max,value]"] == 1908932608
        assert found["gauge[jvm.memory.heap.usage,value]"] == 0.0357142857
        assert found["gauge[jvm.attribute.name,value]"] == "1@web-1"
        up = found["gauge[org.eclipse.jetty.server.HttpConnectionFactory.8080.up,value]"]
        assert up == 1
        assert type(up) is int

    def test_what_is_no_value_is_counted(self) -> None:
        assert self.reading.unusable == 3  # a list, an error, NaN

    def test_what_is_no_metric_has_no_name(self) -> None:
        names = self.reading.blocks[0].names
        assert "jvm.threads.deadlocks" not in names
        assert "pool.broken" not in names

    def test_a_metric_without_a_value_now_keeps_its_name(self) -> None:
        assert {"jvm.memory.non-heap.usage", "pool.empty"} <= set(self.reading.blocks[0].names)
        assert "gauge[jvm.memory.non-heap.usage,value]" not in cells(self.reading)

    def test_timers_have_every_field_and_no_units(self) -> None:
        timer = self.reading.blocks[4]
        assert timer.names == ("com.example.Shop.checkout", "com.example.Shop.pay")
        assert set(timer.fields) == {
            *("count", "max", "mean", "min", "p50", "p75", "p95", "p98", "p99", "p999", "stddev"),
            *("m1_rate", "m5_rate", "m15_rate", "mean_rate"),
        }
        assert cells(self.reading)["timer[com.example.Shop.checkout,p95]"] == 0.07

    def test_names_stay_as_they_are(self) -> None:
        assert cells(self.reading)["counter[shop.orders, open,count]"] == 42

    def test_survives_the_bus(self) -> None:
        snapshot = messages.Snapshot(
            service="web", instance="web-1", time_ns=1, seq=1, boot="b", blocks=self.reading.blocks
        )
        assert codec.decode(messages.Snapshot, *codec.encode(snapshot)) == snapshot


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("1", 1),
        ("1.0", 1.0),
        ("true", 1),
        ("false", 0),
        ('"on"', "on"),
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", float(2**63)),
        ("123456789012345678901234567890", 1.2345678901234568e29),
        ("null", None),
    ],
)
def test_a_gauge_reads(written: str, read: messages.Value | None) -> None:
    reading = dropwizard.decode(b'{"gauges": {"g": {"value": %s}}}' % written.encode())
    assert reading.blocks[0].values == (read,)
    assert type(reading.blocks[0].values[0]) is type(read)
    assert reading.unusable == 0


@pytest.mark.parametrize(
    "value", ["NaN", "Infinity", "-Infinity", '"NaN"', '"-Infinity"', "1e400", "9" * 400]
)
@pytest.mark.parametrize(
    ("section", "field"),
    [("gauges", "value"), ("counters", "count"), ("timers", "p95"), ("meters", "m1_rate")],
)
def test_no_number_is_absent_and_counted_and_harms_no_neighbour(section: str, field: str, value: str) -> None:
    body = '{"%s": {"bad": {"%s": %s}, "good": {"%s": 5}}}' % (section, field, value, field)  # noqa: UP031
    reading = dropwizard.decode(body.encode())
    assert list(cells(reading).values()) == [5]
    assert reading.unusable == 1


@pytest.mark.parametrize("value", [[], [1, 2], {}, {"a": 1}])
def test_a_gauge_that_is_no_scalar_is_no_metric(value: object) -> None:
    reading = decode(gauges={"bad": {"value": value}, "good": {"value": 1}})
    assert reading.blocks[0].names == ("good",)
    assert reading.unusable == 1


def test_metrics_3_and_5_read_alike() -> None:
    timer = {"count": 1, "p95": 2.5, "duration_units": "milliseconds"}
    assert cells(decode(version="3.1.3", timers={"t": timer})) == {"timer[t,count]": 1, "timer[t,p95]": 2.5}
    assert cells(decode(version="5.0.0", timers={"t": {**timer, "sum": 9}}))["timer[t,sum]"] == 9


def test_invalid_utf8_in_one_name_costs_that_name_alone() -> None:
    reading = dropwizard.decode(b'{"counters": {"caf\xe9": {"count": 1}, "good": {"count": 2}}}')
    assert reading.blocks[0].names == ("caf\N{REPLACEMENT CHARACTER}", "good")


def test_a_lone_surrogate_does_not_end_the_codec() -> None:
    reading = dropwizard.decode(b'{"gauges": {"a\\ud800": {"value": "b\\udfff"}}}')
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(reading.blocks[0]), type=messages.Block)


def test_a_byte_order_mark_is_no_obstacle() -> None:
    assert cells(dropwizard.decode(b"\xef\xbb\xbf" + REAL)) == cells(dropwizard.decode(REAL))


def test_an_application_without_metrics_is_empty_not_wrong() -> None:
    assert decode(version="4.0.0", gauges={}, counters={}) == port.Reading(())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[1, 2]",
        b"null",
        b'{"status": "UP"}',
        b'{"gauges": ',
        pytest.param(gzip.compress(b"{}", mtime=0), id="gzip"),
        pytest.param(b'{"gauges":' * 100_000, id="deep objects"),
        pytest.param(b"[" * 100_000, id="deep lists"),
    ],
)
def test_anything_else_is_refused_with_a_sentence(body: bytes) -> None:
    with pytest.raises(errors.Temporary, match=r"not JSON|no Dropwizard metrics"):
        dropwizard.decode(body)


@pytest.mark.parametrize("entry", [None, 5, "text", [], True])
def test_an_odd_entry_harms_no_neighbour(entry: object) -> None:
    reading = decode(timers={"odd": entry, "good": {"count": 1}})
    assert cells(reading) == {"timer[good,count]": 1}


@pytest.mark.parametrize("section", [None, 5, "text", [], True])
def test_an_odd_section_harms_no_neighbour(section: object) -> None:
    reading = decode(timers=section, counters={"good": {"count": 1}})
    assert cells(reading) == {"counter[good,count]": 1}


numbers = st.none() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
scalars = numbers | st.booleans() | st.text(max_size=5)
anything = st.recursive(
    scalars | st.floats(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10
)


def section(fields: list[str], values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.text(), st.dictionaries(st.sampled_from(fields), values), max_size=4)


documents = st.fixed_dictionaries(
    {
        "gauges": section(["value", "error"], scalars),
        "counters": section(["count"], numbers),
        "histograms": section(["count", "p95", "stddev", "other"], numbers),
        "meters": section(["count", "m1_rate", "sum"], numbers),
        "timers": section(["count", "p50", "p999", "mean_rate"], numbers),
    }
)


@given(documents)
def test_both_ways_of_reading_agree(document: dict[str, Any]) -> None:
    body = json.dumps(document).encode()
    assert dropwizard.decode(body, "x") == dropwizard._tolerant(body, "x")


@given(documents)
def test_every_number_arrives_where_it_belongs(document: dict[str, Any]) -> None:
    found = cells(dropwizard.decode(json.dumps(document).encode()))
    for name, entry in document["timers"].items():
        for field, value in entry.items():
            assert found.get(f"timer[{name},{field}]") == value


@given(st.dictionaries(st.sampled_from([*dropwizard._SECTIONS, "version"]), anything))
def test_any_json_is_read_or_refused_and_can_be_sent(document: dict[str, Any]) -> None:
    try:
        reading = dropwizard.decode(json.dumps(document).encode())
    except errors.Temporary:
        return
    for block in reading.blocks:
        assert len(block.values) == len(block.names) * len(block.fields)
        assert all(math.isfinite(value) for value in block.values if isinstance(value, float))
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(block), type=messages.Block) == block


@given(st.binary())
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        dropwizard.decode(body)
    except errors.Temporary as error:
        assert str(error)  # noqa: PT017 - either end is right
