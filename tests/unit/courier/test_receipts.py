"""Milliseconds, -1, 0: what the application sees of its deliveries."""

import pytest

from concierge_courier import receipts
from concierge_proto import messages


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def receipt(snapshot_id: str = "one", **changes: object) -> messages.Receipt:
    facts = {"backend": "zabbix", "primary": True, "processed": 5, "failed": 0, "total": 5, "elapsed_ms": 1}
    return messages.Receipt(service="web", instance="w", snapshot_id=snapshot_id, **{**facts, **changes})  # type: ignore[arg-type]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def timed(clock: Clock) -> receipts.Receipts:
    timed = receipts.Receipts(5, clock)
    timed.sent("one", 100.0)
    return timed


def test_timed_from_the_start_of_the_read(timed: receipts.Receipts, clock: Clock) -> None:
    clock.now = 100.25
    timed.heard(receipt())
    assert timed.take() == 250


def test_told_once(timed: receipts.Receipts) -> None:
    timed.heard(receipt())
    timed.take()
    assert timed.take() is None


def test_nothing_to_say_while_it_is_under_way(timed: receipts.Receipts) -> None:
    assert timed.take() is None


def test_less_than_a_millisecond_is_not_zero(timed: receipts.Receipts) -> None:
    timed.heard(receipt())
    assert timed.take() == 1


def test_timed_out_is_minus_one_and_a_late_receipt_changes_nothing(
    timed: receipts.Receipts, clock: Clock
) -> None:
    clock.now = 105.1
    assert timed.take() == -1
    timed.heard(receipt())
    assert timed.take() is None


def test_failed_is_zero(timed: receipts.Receipts) -> None:
    timed.heard(receipt(processed=0, failed=5))
    assert timed.take() == 0


def test_partly_delivered_is_delivered(timed: receipts.Receipts, clock: Clock) -> None:
    clock.now = 100.1
    timed.heard(receipt(processed=1, failed=4))
    assert timed.take() == 100


def test_an_empty_snapshot_did_not_fail(timed: receipts.Receipts) -> None:
    timed.heard(receipt(processed=0, total=0))
    assert timed.take() == 1


def test_only_the_primary_backend_counts(timed: receipts.Receipts, clock: Clock) -> None:
    timed.heard(receipt(primary=False))
    assert timed.take() is None
    clock.now = 100.5
    timed.heard(receipt())
    assert timed.take() == 500


def test_somebody_elses_snapshot_is_ignored(timed: receipts.Receipts) -> None:
    timed.heard(receipt("two"))
    assert timed.take() is None


def test_the_newest_verdict_wins(timed: receipts.Receipts, clock: Clock) -> None:
    clock.now = 101
    timed.sent("two", 101.0)
    timed.heard(receipt("one"))
    clock.now = 101.5
    timed.heard(receipt("two"))
    assert timed.take() == 500


def test_forgets_what_timed_out(timed: receipts.Receipts, clock: Clock) -> None:
    for number in range(1000):
        clock.now += 1
        timed.sent(str(number), clock.now)
        timed.take()
    assert len(timed._open) <= 6
