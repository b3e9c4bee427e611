"""Limits within a time, and the look ahead before a step inwards."""

from typing import Any

import pytest

from concierge_proto import messages, settings
from concierge_scheduler import decide, state, turn
from tests.unit.scheduler.hands import NOW, at, blank, command, outcome, policy, said, taken, view


def limit(**changes: Any) -> settings.Limit:
    return settings.Limit(**{"per": settings.Duration(600), **changes})


def step(seconds: float, before: int, after: int) -> state.Step:
    return state.Step(at=at(seconds), before=before, after=after)


def judge(
    one: messages.Command, count: int, *steps: state.Step, now: float = 0, **rules: Any
) -> messages.Decision:
    known = policy(**{"max": 20, **rules})
    return decide.decide(known, taken(one, start=blank(count=count, steps=steps)), view(count), at(now))


MANUAL: dict[str, Any] = {"manual": True, "problem": ""}
FOUR = limit(instances=4)
HALF = limit(percent=50)


@pytest.mark.parametrize(
    ("decision", "verdict", "reason", "wanted"),
    [
        (judge(command("scale_out", 4), 2, limit_out=FOUR), "act", "ok", 6),
        (judge(command("scale_out", 9), 2, limit_out=FOUR), "act", "at_limit", 6),
        (judge(command("scale_out", 2), 5, step(-9, 2, 5), limit_out=FOUR), "act", "at_limit", 6),
        (judge(command(), 6, step(-9, 2, 6), limit_out=FOUR), "wait", "limit", 7),
        (judge(command(), 6, step(-600, 2, 6), limit_out=FOUR), "act", "ok", 7),
        (judge(command(**MANUAL), 6, step(-9, 2, 6), limit_out=FOUR), "act", "ok", 7),
        (judge(command("scale_in"), 6, step(-9, 2, 6), limit_out=FOUR), "act", "ok", 5),
        (judge(command("scale_in", 9), 10, limit_in=HALF), "act", "at_limit", 5),
        (judge(command("scale_in"), 5, step(-9, 10, 5), limit_in=HALF), "wait", "limit", 4),
        (judge(command("scale_in"), 3, limit_in=limit(percent=1)), "act", "ok", 2),
        (judge(command("scale_out", 9), 4, limit_out=limit(percent=50, instances=3)), "act", "at_limit", 6),
        (judge(command("scale_out", 9), 4, limit_out=limit(percent=50, instances=1)), "act", "at_limit", 5),
        (judge(command("scale_out", 9), 4, limit_out=limit()), "act", "ok", 13),
        (judge(command("scale_out", 99), 19, limit_out=FOUR), "act", "at_max", 20),
    ],
)
def test_limits(decision: messages.Decision, verdict: str, reason: str, wanted: int) -> None:
    assert (decision.verdict, decision.reason, decision.wanted) == (verdict, reason, wanted)


def test_it_waits_until_the_oldest_step_leaves_the_time() -> None:
    decision = judge(command(), 6, step(-500, 2, 4), step(-9, 4, 6), limit_out=FOUR)
    assert decision.until == at(100)
    assert decision.detail == "4 of 4 have come in the time"


def test_what_was_done_is_remembered_and_forgotten() -> None:
    found = turn.step(policy(), taken(command()), view(2), NOW)
    found = turn.finish(found, outcome(found, 3, now=at(5)), 3)
    assert found.steps == (step(5, 2, 3),)
    assert turn.forget(found, at(5 + 86400)).steps == ()
    assert turn.mend(found, NOW).steps == (step(0, 2, 3),)


def test_a_change_that_changed_nothing_is_no_step() -> None:
    found = turn.step(policy(), taken(command()), view(2), NOW)
    assert turn.finish(found, outcome(found, 2, "failed"), 2).steps == ()


LOW = settings.Threshold(name="Low", metric="gauge[load,value]", below=20.0, action="scale_in 1")
HIGH = settings.Threshold(name="High", metric="gauge[load,value]", above=60.0, action="scale_out 1")
SUM = settings.Threshold(name="Sum", metric="gauge[load,value]", of="sum", above=1.0, action="scale_out 1")


def less(value: str, amount: int = 1, count: int = 3, **changes: Any) -> messages.Decision:
    told = {"trigger": "Low", "value": value}
    one = command("scale_in", amount, arguments=told, **changes)
    return judge(one, count, triggers=(SUM, LOW, HIGH))


@pytest.mark.parametrize(
    ("decision", "reason"),
    [
        (less("15"), "ok"),
        (less("39.9"), "ok"),
        (less("45 %"), "would_return"),
        (less("40.5"), "would_return"),
        (less("25", 2), "would_return"),
        (less("45", **MANUAL), "ok"),
        (less("45 K"), "ok"),
        (less("*UNKNOWN*"), "ok"),
        (less(""), "ok"),
        (less("nan"), "ok"),
    ],
)
def test_fewer_that_would_ask_for_more_again(decision: messages.Decision, reason: str) -> None:
    assert decision.reason == reason


def test_the_look_ahead_is_told_with_its_numbers() -> None:
    assert less("45").detail == "2 would measure 67.5, and 'High' fires above 60"
    found = turn.step(
        policy(triggers=(LOW, HIGH)),
        taken(command("scale_in", arguments={"trigger": "Low", "value": "45"}), start=blank(count=3)),
        view(3),
        NOW,
    )
    assert said(found) == [("scale_in-1", "nothing", "would_return")]
