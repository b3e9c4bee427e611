"""Prometheus's text format, read back by Prometheus's own library."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import parser

from concierge_backends import port
from concierge_backends.prometheus import exposition
from concierge_proto import messages, metric
from tests.unit.backends.said import LOAD, NOW, START, block, heartbeat, snapshot

Samples = dict[tuple[str, str], float]


def read(body: bytes) -> tuple[Samples, dict[str, str]]:
    """Return the samples by (family, name), and the type of each family."""
    samples: Samples = {}
    types: dict[str, str] = {}
    for family in parser.text_string_to_metric_families(body.decode()):
        for sample in family.samples:
            key = (sample.name, sample.labels.get("name", ""))
            assert key not in samples
            assert sample.timestamp is None
            samples[key] = sample.value
            types[sample.name] = family.type
            assert family.documentation
    return samples, types


def page(*blocks: messages.Block) -> exposition.Page:
    return exposition.snapshot(snapshot(blocks=blocks))


def test_dropwizard_kinds_and_fields() -> None:
    timers = messages.Block(
        kind="timer", fields=("count", "p95"), names=("shop.checkout",), values=(12, 0.25), source="app"
    )
    counters = messages.Block(kind="counter", fields=("count",), names=("queue",), values=(-3,))
    items = messages.Block(kind="item", fields=("value",), names=("courier.elapsed",), values=(-1,))
    found = page(timers, counters, items)
    samples, types = read(found.body)
    assert found[1:] == (4, 0, 0)
    assert samples["concierge_timer_count_total", "shop.checkout"] == 12
    assert samples["concierge_timer_p95", "shop.checkout"] == 0.25
    assert samples["concierge_counter_count", "queue"] == -3
    assert samples["concierge_item_value", "courier.elapsed"] == -1
    assert types["concierge_timer_count_total"] == "counter"
    assert types["concierge_timer_p95"] == types["concierge_counter_count"] == "gauge"


def test_says_that_it_runs_and_when_it_was_read() -> None:
    samples, _ = read(page().body)
    assert samples == {
        ("concierge_state", ""): 1,
        ("concierge_snapshot_time_seconds", ""): START / 1e9,
    }


def test_what_prometheus_cannot_hold_is_counted() -> None:
    found = page(block(a=1, b="text", c=math.nan, d=math.inf, e=None))
    samples, _ = read(found.body)
    assert found[1:] == (1, 1, 2)
    assert [name for family, name in samples if family == "concierge_gauge_value"] == ["a"]


def test_the_same_name_from_two_sources_is_two_series() -> None:
    one, two = (
        messages.Block(kind="gauge", fields=("value",), names=("a",), values=(1,), source=source)
        for source in ("x", "y")
    )
    found = page(one, two)
    assert found.written == 2
    assert found.body.count(b"# TYPE concierge_gauge_value gauge") == 1


def test_the_same_name_twice_is_said_once() -> None:
    found = page(block(a=1), block(a=2))
    samples, _ = read(found.body)
    assert (found.written, found.odd) == (1, 1)
    assert samples["concierge_gauge_value", "a"] == 1


def test_kinds_and_fields_are_made_safe() -> None:
    assert exposition.family("jvm-gc", "99.9%") == "concierge_jvm_gc_99_9_"


def test_heartbeat() -> None:
    samples, _ = read(exposition.heartbeat(heartbeat()))
    assert samples["concierge_state", ""] == 1
    assert samples["concierge_heartbeat_time_seconds", ""] == START / 1e9


def test_aggregates() -> None:
    odd = metric.Metric("timer", 'a"b\\c', "p95")
    found = port.Aggregates(
        "web", START, 3, 2, (port.Aggregate(LOAD, 2, 1.5, 3.0, 1.0, 2.0), port.Aggregate(odd, 1, 9, 9, 9, 9))
    )
    families = list(parser.text_string_to_metric_families(exposition.aggregates(found).decode()))
    samples = {
        (sample.name, sample.labels.get("metric")): sample.value
        for family in families
        for sample in family.samples
    }
    assert samples["concierge_service_heard", None] == 3
    assert samples["concierge_service_running", None] == 2
    assert samples["concierge_service_avg", "gauge[load,value]"] == 1.5
    assert samples["concierge_service_sum", "gauge[load,value]"] == 3
    assert samples["concierge_service_max", str(odd)] == 9
    assert samples["concierge_service_instances", "gauge[load,value]"] == 2


def test_nobody_has_counts_and_no_metrics() -> None:
    body = exposition.aggregates(port.Aggregates("web", START, 0, 0, ()))
    assert b"concierge_service_heard 0" in body
    assert b"concierge_service_avg" not in body


def test_an_outcome_says_what_was_wanted_and_how_long_it_took() -> None:
    found = messages.Outcome(
        id="o",
        service="web",
        target="shop",
        result="partial",
        before=1,
        wanted=3,
        after=2,
        duration_ms=1250,
        command_id="c",
        correlation_id="i",
        started_at=NOW,
        at=NOW,
    )
    families = parser.text_string_to_metric_families(exposition.outcome(found).decode())
    samples = {sample.name: sample for family in families for sample in family.samples}
    assert samples["concierge_service_wanted"].value == 3
    assert samples["concierge_service_after"].value == 2
    assert samples["concierge_service_outcome_time_seconds"].value == NOW.timestamp()
    took = samples["concierge_service_change_seconds"]
    assert (took.labels, took.value) == ({"result": "partial"}, 1.25)


names = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=20)


@given(st.dictionaries(names, st.one_of(st.none(), st.integers(-(2**63), 2**63), st.floats(), names)))
def test_any_name_survives(values: dict[str, Any]) -> None:
    found = page(
        messages.Block(kind="gauge", fields=("value",), names=tuple(values), values=tuple(values.values()))
    )
    samples, _ = read(found.body)
    kept = {name: value for (family, name), value in samples.items() if family == "concierge_gauge_value"}
    wanted = {
        name: float(value)
        for name, value in values.items()
        if isinstance(value, int | float) and math.isfinite(value)
    }
    assert kept == pytest.approx(wanted)
    assert found.written + found.text + found.odd == sum(value is not None for value in values.values())
