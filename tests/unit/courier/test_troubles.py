"""Few lines on somebody else's stderr."""

import logging

import pytest

from concierge_courier import deliver, troubles

log = logging.getLogger("test.troubles")


def test_the_first_failure_and_the_recovery(caplog: pytest.LogCaptureFixture) -> None:
    trouble = troubles.Trouble(log, "source app")
    for _ in range(3):
        trouble.failed("refused")
    trouble.fine()
    trouble.fine()
    trouble.failed("refused")
    assert [record.message for record in caplog.records] == [
        "source app: refused",
        "source app: fine again",
        "source app: refused",
    ]


def passes(
    only: troubles.FirstOnly, text: str, level: int, name: str = "concierge_proto.bus.connect"
) -> bool:
    return only.filter(logging.LogRecord(name, level, "", 0, text, (), None))


def test_an_outage_is_told_once() -> None:
    only = troubles.FirstOnly()
    told = [passes(only, "refused", logging.WARNING) for _ in range(100)]
    assert told == [True] + [False] * 99
    assert passes(only, "nats: connected again", logging.INFO)
    assert passes(only, "refused", logging.WARNING)


def test_a_quiet_start_says_nothing() -> None:
    assert not passes(troubles.FirstOnly(), "nats: connected", logging.INFO)


def test_not_more_than_a_few_different_complaints() -> None:
    only = troubles.FirstOnly()
    assert sum(passes(only, f"complaint {number}", logging.WARNING) for number in range(50)) == 3


def test_others_are_left_alone() -> None:
    only = troubles.FirstOnly()
    assert all(passes(only, "x", logging.WARNING, "concierge_courier.run") for _ in range(5))


def test_pauses_grow_at_random_up_to_a_bound() -> None:
    assert 0.25 <= deliver.pause(1) <= 0.5
    assert 1.0 <= deliver.pause(3) <= 2.0
    assert 15 <= deliver.pause(1000) <= 30
    assert len({deliver.pause(5) for _ in range(20)}) > 1
