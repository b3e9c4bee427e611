"""The bucket of a source."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concierge_gateway import rate


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_then_the_rate() -> None:
    clock = Clock()
    bucket = rate.Bucket(10, clock)
    assert [bucket.take() for _ in range(10)] == [0.0] * 10
    assert bucket.take() == pytest.approx(0.1)
    clock.now += 0.125
    assert bucket.take() == 0
    assert bucket.take() > 0


def test_a_slow_source_may_still_speak_once() -> None:
    clock = Clock()
    bucket = rate.Bucket(0.1, clock)
    assert bucket.take() == 0
    assert bucket.take() == pytest.approx(10)
    clock.now += 10.001
    assert bucket.take() == 0


def test_silence_saves_no_more_than_a_second() -> None:
    clock = Clock()
    bucket = rate.Bucket(5, clock)
    clock.now += 3600
    assert [bucket.take() for _ in range(6)].count(0) == 5


@given(st.floats(0.5, 50), st.lists(st.floats(0, 2), max_size=200))
def test_never_more_than_burst_and_rate(speed: float, pauses: list[float]) -> None:
    clock = Clock()
    bucket = rate.Bucket(speed, clock)
    passed = 0
    for pause in pauses:
        clock.now += pause
        passed += bucket.take() == 0
    assert passed <= max(speed, 1) + sum(pauses) * speed + 1e-6
