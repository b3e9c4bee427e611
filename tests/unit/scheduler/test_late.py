"""A call whose end nobody saw: what it does after a newer number was set is undone, and nothing else is."""

from typing import Any

import msgspec
import pytest

from concierge_proto import messages
from concierge_scheduler import converge, state, turn
from concierge_scheduler.targets import memory
from tests.unit.scheduler import hands, test_converge

LASTING = 72.0


def overtaken(older: int, newer: int, lasting: float = LASTING) -> state.State:
    """Return the state after a change to `older` that another holder finished, and one to `newer` after it."""
    found = hands.blank(count=3)
    for number, seconds in ((older, lasting), (newer, 0.0)):
        order = hands.command("scale_to", number, id=f"to-{number}", manual=True, problem="")
        before = found.count
        assert before is not None
        found = turn.step(hands.policy(), hands.taken(order, start=found), hands.view(before), hands.NOW)
        found = turn.finish(found, hands.outcome(found, number), number, lasting=seconds)
    return hands.heard(found)


def step(found: state.State, count: int, after: float = 1, **rules: Any) -> state.State:
    return turn.step(hands.policy(**rules), found, hands.view(count), hands.at(after))


def events(found: state.State) -> list[state.Event]:
    return [state.read(letter) for letter in found.unsaid]


@pytest.mark.parametrize(("older", "newer", "seen"), [(5, 2, 5), (5, 2, 3), (1, 4, 1), (1, 4, 3)])
def test_what_it_does_is_undone_and_says_why(older: int, newer: int, seen: int) -> None:
    found = step(overtaken(older, newer), seen)
    (decision,) = events(found)
    assert isinstance(decision, messages.Decision)
    assert (decision.verdict, decision.reason, decision.correlation_id) == ("act", "late_call", "incident")
    assert f"{seen} → {newer}: an earlier call for {older}" in decision.detail
    assert found.running
    assert (found.running.before, found.running.wanted, found.drift) == (seen, newer, None)


def test_a_step_is_reckoned_from_the_newer_number() -> None:
    found = overtaken(5, 2)
    found = step(hands.taken(hands.command(manual=True), start=found), 5)
    assert found.running
    assert found.running.wanted == 2
    found = step(turn.finish(found, hands.outcome(found, 2), 2), 2, after=2)
    assert found.running
    assert (found.running.before, found.running.wanted) == (2, 3)


@pytest.mark.parametrize(
    ("older", "newer", "seen", "after"),
    [(4, 2, 5, 1), (4, 2, 1, 1), (1, 4, 5, 1), (5, 2, 5, LASTING)],
    ids=["further out", "in, after out", "out, after in", "too late"],
)
def test_what_it_can_not_have_done_is_drift(older: int, newer: int, seen: int, after: float) -> None:
    found = step(overtaken(older, newer), seen, after)
    assert [one.what for one in events(found) if isinstance(one, messages.Control)] == ["drift"]
    assert (found.running, found.count) == (None, seen)


def test_a_call_that_was_seen_to_end_is_never_late() -> None:
    assert step(overtaken(5, 2, lasting=0), 5).drift


def test_a_dry_run_sets_nothing_back() -> None:
    found = step(overtaken(5, 2), 5, dry_run=True)
    assert (found.running, found.count) == (None, 5)


def test_before_a_newer_number_it_only_finishes_its_own() -> None:
    order = hands.command("scale_to", 5, manual=True, problem="")
    found = turn.step(hands.policy(), hands.taken(order), hands.view(2), hands.NOW)
    found = turn.finish(found, hands.outcome(found, 4, "partial"), 4, lasting=LASTING)
    assert step(found, 5).running is None


def test_somebody_else_s_number_is_set_again_too() -> None:
    found = step(step(overtaken(5, 2), 1), 5, after=2)
    assert found.drift
    assert found.running
    assert (found.running.before, found.running.wanted) == (5, 1)


@pytest.mark.parametrize(
    ("state_of", "view"),
    [
        ({"hold": state.Hold(until=hands.at(60))}, hands.view(5)),
        ({}, hands.view(5, heard=4)),
        ({}, hands.view(5, changing=True)),
    ],
    ids=["held", "in the dark", "in a rollout"],
)
def test_it_waits_for_its_gates(state_of: dict[str, Any], view: Any) -> None:
    found = msgspec.structs.replace(overtaken(5, 2), **state_of)
    found = turn.step(hands.policy(), found, view, hands.at(1))
    assert (found.running, found.count, found.unsaid) == (None, 2, ())


def test_it_is_forgotten_in_the_end() -> None:
    assert overtaken(5, 2).late
    assert turn.forget(overtaken(5, 2), hands.at(LASTING)).late == ()


@pytest.mark.parametrize(
    ("resumed", "delay", "lasting"), [(False, 0.0, 0.0), (True, 0.0, LASTING), (False, 60.0, LASTING)]
)
async def test_what_was_taken_over_or_given_up_may_go_on(resumed: bool, delay: float, lasting: float) -> None:
    target = memory.Memory("shop", {"web": hands.policy()})
    target.counts["web"], target.delay, target.lasting = 1, delay, LASTING
    rules, one = hands.policy(**test_converge.RULES), test_converge.change(expires_at=hands.NOW)
    act = converge.Convergence(test_converge.place(target), "web", rules, one)
    assert (await act.run(resumed=resumed)).lasting == lasting
