"""Thresholds: when a problem opens, steps on, and closes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concierge_backends import port
from concierge_backends.embedded import triggers
from concierge_proto import metric, settings
from tests.unit.backends.said import LOAD, SECOND, START, aggregates


def high(**rest: Any) -> settings.Threshold:
    values: dict[str, Any] = {
        "name": "High load",
        "metric": "gauge[load,value]",
        "above": 5.0,
        "action": "scale_out 1",
    }
    values.update(rest)
    return settings.Threshold(**values)


def told(threshold: settings.Threshold, *points: tuple[float, float | None]) -> list[tuple[float, str, str]]:
    """Feed (second, load) points; return (second, status, event id) of every change."""
    state, number = triggers.State(), iter(range(1, 1000))
    found: list[tuple[float, str, str]] = []
    for second, load in points:
        now = START + int(second * SECOND)
        state, change = triggers.evaluate(threshold, state, aggregates(load, now), lambda: f"e{next(number)}")
        if change:
            found.append((second, change.status, change.problem.event_id))
    return found


def test_opens_above_and_closes_at_the_threshold() -> None:
    assert told(high(), (0, 5.0), (1, 5.1), (2, 6), (3, 5.0)) == [
        (1, "problem", "e1"),
        (3, "resolved", "e1"),
    ]


def test_opens_below() -> None:
    low = high(above=None, below=1.0, recovers=2.0)
    assert told(low, (0, 1.0), (1, 0.9), (2, 2.0), (3, 2.1)) == [(1, "problem", "e1"), (3, "resolved", "e1")]


def test_hysteresis_closes_only_beyond_recovers() -> None:
    assert told(high(recovers=3.0), (0, 6), (1, 4), (2, 3.0), (3, 2.9)) == [
        (0, "problem", "e1"),
        (3, "resolved", "e1"),
    ]


def test_must_last_without_a_break() -> None:
    lasting = high(for_=settings.Duration(5))
    assert told(lasting, (0, 6), (4, 6), (4.5, 1), (5, 6), (9.9, 6), (10, 6)) == [(10, "problem", "e1")]


def test_steps_while_open() -> None:
    stepping = high(repeat_every=settings.Duration(60))
    assert told(stepping, (0, 6), (59, 6), (60, 6), (61, 6), (121, 6), (122, 1)) == [
        (0, "problem", "e1"),
        (60, "problem", "e1"),
        (121, "problem", "e1"),
        (122, "resolved", "e1"),
    ]


def test_without_repeat_it_is_told_once() -> None:
    once = high(repeat_every=settings.Duration(0))
    assert told(once, (0, 6), (1000, 6)) == [(0, "problem", "e1")]


def test_a_second_problem_has_an_id_of_its_own() -> None:
    assert [event for _, _, event in told(high(), (0, 6), (1, 1), (2, 6))] == ["e1", "e1", "e2"]


class TestNoData:
    def test_opens_nothing_and_breaks_a_wait(self) -> None:
        lasting = high(for_=settings.Duration(2))
        assert told(lasting, (0, 6), (1, None), (2, 6), (3, 6), (4, 6)) == [(4, "problem", "e1")]

    def test_neither_closes_nor_steps(self) -> None:
        assert told(high(), (0, 6), (100, None), (200, None), (201, 1)) == [
            (0, "problem", "e1"),
            (201, "resolved", "e1"),
        ]


@pytest.mark.parametrize(("of", "value"), [("avg", 2.0), ("sum", 6.0), ("min", 1.0), ("max", 3.0)])
def test_measures_what_is_asked(of: str, value: float) -> None:
    found = port.Aggregates("web", START, 4, 2, (port.Aggregate(LOAD, 3, 2.0, 6.0, 1.0, 3.0),))
    assert triggers.measure(high(of=of), found) == value


def test_measures_counts_even_of_nobody() -> None:
    nobody = aggregates(None, heard=0, running=0)
    assert triggers.measure(high(metric="heard"), nobody) == 0.0
    assert triggers.measure(high(metric="running"), nobody) == 0.0
    assert triggers.measure(high(metric="gauge[other,value]"), nobody) is None
    assert metric.parse("gauge[load,value]") == LOAD


points = st.lists(st.one_of(st.none(), st.floats(0, 10)), max_size=40)


@given(points, st.sampled_from([0.0, 2.0]), st.sampled_from([None, 3.0]), st.sampled_from([0.0, 3.0]))
def test_problems_and_recoveries_alternate(
    values: list[float | None], lasts: float, recovers: float | None, every: float
) -> None:
    threshold = high(for_=settings.Duration(lasts), recovers=recovers, repeat_every=settings.Duration(every))
    open_event = ""
    for _, status, event in told(threshold, *enumerate(values)):
        if status == "resolved":
            assert event == open_event
            open_event = ""
        else:
            assert event == open_event or not open_event
            open_event = event
