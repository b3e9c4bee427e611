"""Steady is what holds with the same instances, in the same lives."""

import math

from concierge_scheduler import steady
from concierge_scheduler.targets import port


def seen(*ids: str, younger_than: float = math.inf) -> port.Observed:
    instances = tuple(
        port.Instance(id=one, name=one, running=True, healthy=True, younger_than=younger_than) for one in ids
    )
    return port.Observed(service="web", wanted=len(ids), instances=instances)


def test_it_counts_from_the_first_look() -> None:
    watch = steady.Steadiness()
    watch.note(seen("a"), 0.0, 0.1)
    watch.note(seen("a"), 1.0, 1.1)
    assert watch.since == 0.1


def test_what_does_not_hold_begins_again() -> None:
    watch = steady.Steadiness()
    watch.note(seen("a"), 0.0, 0.1)
    watch.note(None, 0.5, 0.6)
    assert watch.since is None
    watch.note(seen("a"), 1.0, 1.1)
    assert watch.since == 1.1


def test_another_instance_begins_again() -> None:
    watch = steady.Steadiness()
    watch.note(seen("a", "b"), 0.0, 0.1)
    watch.note(seen("a", "c"), 1.0, 1.1)
    assert watch.since == 1.1


def test_another_life_begins_again() -> None:
    watch = steady.Steadiness()
    watch.note(seen("a", younger_than=1.0), 0.0, 0.1)
    watch.note(seen("a", younger_than=2.0), 1.1, 1.2)
    assert watch.since == 0.1, "it ran through"
    watch.note(seen("a", younger_than=1.0), 1.5, 1.6)
    assert watch.since == 1.6
