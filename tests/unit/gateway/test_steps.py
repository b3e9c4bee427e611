"""Ticks: the same for whoever notices them, another one for each `repeat_every`."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concierge_gateway import steps
from concierge_proto import identity, messages

BEGAN = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


def trigger(**fields: Any) -> messages.Trigger:
    found: dict[str, Any] = {
        "id": identity.derive("trigger", "am", "e", fields.get("status", "problem"), fields.get("step", "")),
        "source": "am",
        "event_id": "e",
        "status": "problem",
        "started_at": BEGAN,
        "received_at": BEGAN,
        "correlation_id": "c",
    }
    return messages.Trigger(**found | fields)


def after(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def test_the_first_tick_is_the_webhook_itself() -> None:
    assert steps.ticked(trigger(), 60, BEGAN, after(59.9)) == trigger()
    assert steps.ticked(trigger(), 60, BEGAN, after(-100)) == trigger()  # its clock may be ahead of ours


def test_each_tick_is_a_step() -> None:
    first, second = (
        steps.ticked(trigger(), 60, BEGAN, after(60)),
        steps.ticked(trigger(), 60, BEGAN, after(120)),
    )
    assert (first.step, second.step) == ("tick 1", "tick 2")
    assert len({trigger().id, first.id, second.id}) == 3
    assert first.problem == trigger().problem
    assert first.correlation_id == trigger().correlation_id


@given(st.floats(60, 10_000), st.floats(60, 10_000), st.floats(1, 600))
def test_the_same_tick_has_the_same_id(one: float, other: float, every: float) -> None:
    a, b = (
        steps.ticked(trigger(), every, BEGAN, after(one)),
        steps.ticked(trigger(), every, BEGAN, after(other)),
    )
    assert (a.id == b.id) == (a.step == b.step)


@pytest.mark.parametrize(
    ("fields", "every"),
    [({}, 0), ({"status": "resolved"}, 60)],
    ids=["no repeat_every", "resolved"],
)
def test_what_does_not_tick(fields: dict[str, Any], every: float) -> None:
    assert steps.ticked(trigger(**fields), every, BEGAN, after(1000)) == trigger(**fields)


@pytest.mark.parametrize(
    ("kind", "step", "its_own"),
    [
        ("zabbix", "2026.11.22 10:00:00 action 7", True),
        ("zabbix", "", True),
        ("alertmanager", "", False),
        ("alertmanager", "0", False),
        ("generic", "", False),
        ("generic", "3", True),
        ("generic", "tick 3", False),
    ],
)
def test_who_tells_steps_apart(kind: str, step: str, its_own: bool) -> None:
    assert steps.own(trigger(step=step), kind) is its_own


def test_what_follows_and_when() -> None:
    last = trigger(verdict="command", detail="d", commands=("x",))
    assert steps.following(last, 60, BEGAN, after(30)) is None
    following = steps.following(last, 60, BEGAN, after(61))
    assert following is not None
    assert (following.step, following.received_at, following.verdict) == ("tick 1", after(61), "")
    assert steps.following(following, 60, BEGAN, after(90)) is None


def test_a_problem_that_does_not_say_when_it_began_counts_from_when_it_was_heard() -> None:
    silent = trigger(started_at=None)
    assert steps.ticked(silent, 60, after(100), after(150)) == silent
    assert steps.ticked(silent, 60, after(100), after(160)).step == "tick 1"


def test_a_found_end_is_the_end_that_a_webhook_would_tell() -> None:
    gone = steps.resolved(steps.ticked(trigger(), 60, BEGAN, after(120)), after(200))
    assert gone.id == trigger(status="resolved").id
    assert (gone.status, gone.step, gone.verdict) == ("resolved", "", "")


def test_a_found_problem_is_its_own_step_only_where_steps_are_the_senders() -> None:
    assert steps.repaired(trigger(), "alertmanager") == trigger()
    assert steps.repaired(trigger(), "zabbix").step == steps.REPAIRED
