"""A service as one thing: who counts, what counts, and for how long."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concierge_backends import aggregate, port
from concierge_proto import messages, metric, settings
from tests.unit.backends.said import LOAD, SECOND, START, block, heartbeat, snapshot


def make(fresh: float = 30.0) -> aggregate.Aggregator:
    return aggregate.Aggregator("web", fresh, (LOAD,))


def load(found: port.Aggregates) -> port.Aggregate | None:
    return found.metrics[0] if found.metrics else None


def measured(instance: str, value: messages.Value | None, at: int = START) -> messages.Snapshot:
    return snapshot(instance, at, blocks=(block(load=value),))


def test_averages_over_instances() -> None:
    service = make()
    for name, value in (("one", 1.0), ("two", 4.0)):
        service.heartbeat(heartbeat(name), START)
        service.snapshot(measured(name, value), START)
    assert service.aggregates(START) == port.Aggregates(
        "web", START, 2, 2, (port.Aggregate(LOAD, 2, 2.5, 5.0, 1.0, 4.0),)
    )


@pytest.mark.parametrize("nothing", [None, math.nan, math.inf, "busy"])
def test_what_is_no_number_is_absent_and_never_zero(nothing: messages.Value | None) -> None:
    service = make()
    service.snapshot(measured("one", nothing), START)
    assert service.aggregates(START).metrics == ()
    service.snapshot(measured("two", 3), START)
    found = load(service.aggregates(START))
    assert found
    assert (found.instances, found.avg, found.min) == (1, 3.0, 3.0)


def test_a_snapshot_is_a_sign_of_life_and_no_state() -> None:
    service = make()
    service.snapshot(measured("one", 1.0), START)
    assert service.aggregates(START)[2:4] == (1, 0)


def test_silence_ends_freshness() -> None:
    service = make(fresh=30)
    service.heartbeat(heartbeat(), START)
    service.snapshot(measured("one", 1.0), START)
    assert service.aggregates(START + 30 * SECOND)[2:4] == (1, 1)
    later = service.aggregates(START + 30 * SECOND + 1)
    assert later[2:] == (0, 0, ())


def test_heartbeats_keep_an_instance_but_not_its_old_values() -> None:
    service = make(fresh=30)
    service.snapshot(measured("one", 1.0), START)
    service.heartbeat(heartbeat(at=START + 29 * SECOND), START + 29 * SECOND)
    found = service.aggregates(START + 40 * SECOND)
    assert (found.heard, found.running, found.metrics) == (1, 1, ())


def test_a_slow_courier_is_judged_by_its_own_interval() -> None:
    service = make(fresh=30)
    service.snapshot(snapshot(interval_s=60.0), START)
    service.heartbeat(heartbeat(at=START + 90 * SECOND), START + 90 * SECOND)
    assert load(service.aggregates(START + 100 * SECOND))


def test_a_snapshot_that_comes_late_is_as_old_as_it_says() -> None:
    service = make(fresh=30)
    service.snapshot(measured("one", 9.0, START), START + 60 * SECOND)
    found = service.aggregates(START + 60 * SECOND)
    assert (found.heard, found.metrics) == (1, ())


def test_an_older_snapshot_changes_nothing() -> None:
    service = make()
    service.snapshot(measured("one", 2.0, START + SECOND), START + SECOND)
    service.snapshot(measured("one", 1.0, START), START + SECOND)
    found = load(service.aggregates(START + SECOND))
    assert found
    assert found.avg == 2.0


class TestStopping:
    def stopped(self) -> aggregate.Aggregator:
        service = make()
        service.snapshot(measured("one", 1.0), START)
        service.heartbeat(heartbeat(), START)
        service.heartbeat(heartbeat(at=START + SECOND, state=0), START + SECOND)
        return service

    def test_drops_out_at_once(self) -> None:
        assert self.stopped().aggregates(START + SECOND)[2:] == (0, 0, ())

    def test_a_late_snapshot_does_not_revive(self) -> None:
        service = self.stopped()
        service.snapshot(measured("one", 1.0, START + 1), START + 2 * SECOND)
        service.heard("one", START + 2 * SECOND)
        assert service.aggregates(START + 2 * SECOND)[2:] == (0, 0, ())

    def test_a_late_heartbeat_does_not_revive(self) -> None:
        service = self.stopped()
        service.heartbeat(heartbeat(at=START + 1), START + 2 * SECOND)
        assert service.aggregates(START + 2 * SECOND).heard == 0

    def test_one_that_was_only_cut_off_comes_back(self) -> None:
        service = self.stopped()
        service.snapshot(measured("one", 1.0, START + 5 * SECOND), START + 5 * SECOND)
        assert service.aggregates(START + 5 * SECOND).heard == 1

    def test_one_that_was_only_spoken_of_counts_when_it_speaks(self) -> None:
        """Its clock may be an hour behind the one by which it was called vanished."""
        service = make()
        service.heartbeat(heartbeat(at=START, boot="", state=0), START)
        service.heartbeat(heartbeat(at=START - 3600 * SECOND), START + SECOND)
        assert service.aggregates(START + SECOND).running == 1

    def test_the_next_life_counts_and_the_last_words_of_the_earlier_do_not(self) -> None:
        service = make()
        service.heartbeat(heartbeat(at=START + SECOND, boot="b2"), START + SECOND)
        service.heartbeat(heartbeat(at=START, boot="b1", state=0), START + SECOND)
        assert service.aggregates(START + SECOND)[2:4] == (1, 1)


def test_a_silence_of_ours_is_forgiven() -> None:
    service = make(fresh=30)
    service.snapshot(measured("one", 1.0), START)
    service.shift(60 * SECOND)
    assert service.aggregates(START + 80 * SECOND).heard == 1
    assert service.aggregates(START + 91 * SECOND).heard == 0


def test_the_silent_are_forgotten() -> None:
    service = make(fresh=1)
    for number in range(50):
        service.heartbeat(heartbeat(f"i{number}", START), START)
    service.aggregates(START + 11 * SECOND)
    assert not service._instances


def test_wanted_are_thresholds_and_observed_each_once() -> None:
    service = settings.Service(
        target="shop",
        max=3,
        triggers=(
            settings.Threshold(name="a", metric="gauge[load,value]", above=1, action="scale_out 1"),
            settings.Threshold(name="b", metric="running", below=1, action="scale_out 1"),
        ),
        aggregates=settings.Observed(metrics=("gauge[load, value]", "timer[a,b,p95]")),
    )
    assert aggregate.wanted(service) == (LOAD, metric.Metric("timer", "a,b", "p95"))


def test_rows_and_columns_are_not_mixed_up() -> None:
    table = messages.Block(kind="timer", fields=("count", "p95"), names=("a", "b"), values=(1, 0.1, 2, 0.2))
    found = dict(
        aggregate.pick(
            snapshot(blocks=(block(a=7), table)),
            (metric.Metric("timer", "b", "p95"), metric.Metric("gauge", "a", "value")),
        )
    )
    assert list(found.values()) == [0.2, 7.0]


finite = st.floats(-1e300, 1e300)


@given(st.lists(finite, min_size=1, max_size=8))
def test_bounds_hold(values: list[float]) -> None:
    service = make()
    for number, value in enumerate(values):
        service.snapshot(measured(f"i{number}", value), START)
    found = load(service.aggregates(START))
    assert found
    assert found.instances == len(values)
    assert (found.min, found.max) == (min(values), max(values))
    assert found.sum == pytest.approx(math.fsum(values), rel=1e-9, abs=1e290)


@given(st.permutations([("one", 0), ("one", 1), ("two", 0), ("two", 2)]))
def test_the_order_of_arrival_does_not_matter(order: list[tuple[str, int]]) -> None:
    service = make()
    for name, second in order:
        service.snapshot(measured(name, float(second), START + second * SECOND), START + 3 * SECOND)
    found = load(service.aggregates(START + 3 * SECOND))
    assert found
    assert (found.min, found.max) == (1.0, 2.0)
