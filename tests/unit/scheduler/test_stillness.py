"""Calling again is due only when a wrong count stands still."""

from typing import Any

import msgspec
import pytest

from concierge_scheduler import state, stillness
from concierge_scheduler.targets import port
from tests.unit.scheduler import hands

CHANGE = state.Change(
    id="c", correlation_id="i", before=1, wanted=4, lease=7, started_at=hands.NOW, expires_at=hands.at(60)
)


def seen(count: int, running: int | None = None, **facts: Any) -> port.Observed:
    """Return `count` instances of which `running` run."""
    observed = hands.view(count).observed
    assert observed
    run = count if running is None else running
    instances = tuple(
        msgspec.structs.replace(one, running=n < run) for n, one in enumerate(observed.instances)
    )
    return msgspec.structs.replace(observed, instances=instances, **facts)


def calls(*readings: tuple[float, port.Observed | None]) -> list[float]:
    """Return the seconds at which calling again was due."""
    watched = stillness.Stillness(CHANGE)
    return [now for now, observed in readings if watched.due(observed, now)]


@pytest.mark.parametrize(
    ("observed", "due"),
    [
        (seen(3), [1.0]),
        (seen(5), [1.0]),
        (seen(4, 2), [1.0]),  # created, and never started
        (seen(4), []),
        (seen(3, changing=True), []),
        (seen(3, intent="c"), []),  # ours was done, and somebody set another number after it
        (seen(3, intent="another"), [1.0]),
        (None, []),
    ],
)
def test_what_is_wrong(observed: port.Observed | None, due: list[float]) -> None:
    assert calls(*((now, observed) for now in (0.0, 0.5, 1.0))) == due


def test_what_moves_is_left_alone() -> None:
    assert calls(*((float(now), seen(1 + now % 3)) for now in range(20))) == []


def test_words_that_count_seconds_are_no_movement() -> None:
    def told(seconds: int) -> port.Observed:
        observed = seen(3)
        up = tuple(msgspec.structs.replace(one, detail=f"Up {seconds} s") for one in observed.instances)
        return msgspec.structs.replace(observed, instances=up)

    assert calls(*((float(now), told(now)) for now in range(3))) == [2.0]


def test_two_looks_are_too_few() -> None:
    assert calls((0.0, seen(3)), (9.0, seen(3))) == []


def test_a_reading_that_failed_begins_anew() -> None:
    assert calls((0.0, seen(3)), (0.5, None), (1.0, seen(3)), (1.5, seen(3)), (2.0, seen(3))) == [2.0]


def test_each_pause_is_twice_the_last_and_there_is_an_end() -> None:
    found = calls(*((n / 2, seen(3)) for n in range(200)))
    assert len(found) == stillness.CALLS
    pauses = [after - before for before, after in zip([0.0, *found], found, strict=False)]
    assert pauses == [1.0, 2.5, 4.5, 8.5]
