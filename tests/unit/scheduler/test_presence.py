"""Who counts as heard."""

import pytest

from concierge_proto import messages
from concierge_scheduler.presence import Presence
from concierge_scheduler.targets import port


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def presence(clock: Clock) -> Presence:
    return Presence(clock)


def beat(instance: str, state: int = 1, service: str = "web") -> messages.Heartbeat:
    return messages.Heartbeat(service=service, instance=instance, time_ns=0, boot="b", state=state)


def observed(*hostnames: str, running: bool = True) -> port.Observed:
    instances = tuple(
        port.Instance(id=f"{n}", name=f"n{n}", hostname=name, running=running, healthy=True)
        for n, name in enumerate(hostnames)
    )
    return port.Observed(service="web", wanted=len(instances), instances=instances)


def test_those_that_were_heard_lately_count(presence: Presence, clock: Clock) -> None:
    presence.hear(beat("a"))
    clock.now += 20
    presence.hear(beat("b"))
    assert presence.count(observed("a", "b", "c"), 30) == 2
    clock.now += 11
    assert presence.count(observed("a", "b", "c"), 30) == 1
    assert presence.silent(observed("a", "b", "c"), 30) == ("n0", "n2")


def test_a_neighbour_with_the_same_instance_name_does_not(presence: Presence) -> None:
    presence.hear(beat("a", service="api"))
    assert presence.count(observed("a"), 30) == 0


def test_one_that_was_replaced_does_not(presence: Presence) -> None:
    presence.hear(beat("old"))
    assert presence.count(observed("new"), 30) == 0


def test_one_that_said_it_stops_does_not(presence: Presence) -> None:
    heard: list[str] = []
    presence.listeners.append(heard.append)
    presence.hear(beat("a"))
    presence.hear(beat("a", state=0))
    presence.hear(beat("a", state=0))
    assert presence.count(observed("a"), 30) == 0
    assert heard == ["web"]


def test_one_that_does_not_run_does_not(presence: Presence) -> None:
    presence.hear(beat("a"))
    assert presence.count(observed("a", running=False), 30) == 0


def test_without_known_names_heads_are_counted_and_no_more_than_there_are(presence: Presence) -> None:
    for name in ("a", "b", "c"):
        presence.hear(beat(name))
    assert presence.count(observed("", ""), 30) == 2
    assert presence.silent(observed("", ""), 30) == ()


def test_a_host_name_with_dots_is_found(presence: Presence) -> None:
    presence.hear(beat("web-1-example"))
    assert presence.count(observed("web-1.example"), 30) == 1


def test_an_old_beat_from_the_stream_does_not_push_out_a_newer_one(presence: Presence) -> None:
    presence.hear(beat("a"))
    presence.hear(beat("a"), age=29)
    assert presence.count(observed("a"), 1) == 1


def test_the_silent_are_forgotten(presence: Presence, clock: Clock) -> None:
    presence.hear(beat("a"))
    clock.now += 4000
    presence.count(observed(), 30)
    assert presence._heard["web"] == {}
