"""What a command means, and whether its time has come. Pure: no clock, no I/O; time comes in as `now`.

A command has been folded into the state as a wish (`fold`). `decide` looks at the leading
wish and leads it through the gates (`gates`); the first one that is shut decides:

    away · unknown_service · expired · resolved     → refused, but for `away`: waits
    held · changing · stale                         → waits
    at_max · at_min                                 → clamped; nothing when that leaves the count as it is
    cooldown                                        → waits
    limit                                           → shortened; waits when nothing of it is left
    would_return                                    → nothing: fewer instances would ask for more again
    no_change                                       → nothing
    ok                                              → act

What can never be served is refused before anything may wait, so that nothing dead waits.
All gates are asked, also behind a shut one: the decision keeps what each said (`concierge explain`).
"""

from collections.abc import Callable
from datetime import datetime

from concierge_proto import identity, messages, settings
from concierge_scheduler import bounds, fold, gates, late, rate
from concierge_scheduler.gates import Case, Ruling
from concierge_scheduler.state import State

View = bounds.View
_Gate = Callable[[Case], Ruling]
_GATES: tuple[_Gate, ...] = (
    gates.unknown,
    gates.expired,
    gates.resolved,
    gates.held,
    gates.changing,
    gates.stale,
    gates.clamped,
    gates.cooldown,
    gates.limited,
    gates.projected,
    gates.no_change,
)


def decide(policy: settings.Service, state: State, view: View | None, now: datetime) -> messages.Decision:
    """Return what is to be done now: about a call that came late, the leading wish, or a count outside the bounds.

    `view` is None while the endpoint can't be read. Without anything to do the verdict is `nothing`, reason `idle`.
    """
    undone = late.undo(policy, state, view, now)
    if undone is not None:  # first of all, or a step would be reckoned from a number that nobody wants
        return undone
    command = fold.leading(state)
    judged = judge(policy, state, view, now, command) if command else None
    if judged is not None and judged.verdict != "wait":
        return judged
    return bounds.repair(policy, state, view, now) or judged or _idle(policy, state, now)


def judge(
    policy: settings.Service, state: State, view: View | None, now: datetime, command: messages.Command
) -> messages.Decision:
    """Lead one command through the gates, whatever else waits."""
    case = _case(policy, state, view, now, command)
    rulings = [gate(case) for gate in (_GATES if view else gates.BLIND)]
    ruling = next((one for one in rulings if one.verdict), None) or _act(case)
    return gates.decision(case, rulings, ruling, seen=view is not None and view.observed is not None)


def _case(
    policy: settings.Service, state: State, view: View | None, now: datetime, command: messages.Command
) -> Case:
    before = view.observed.wanted if view and view.observed else state.count or 0
    asked = fold.result(command, before)
    bounded = _within(policy, before, asked)
    limit = policy.limit_out if bounded > before else policy.limit_in if bounded < before else None
    left = rate.left(limit, state.steps, before, now, outward=bounded > before) if limit else None
    wanted = bounded
    if left and left.room and not command.manual:
        wanted = min(bounded, before + left.room) if bounded > before else max(bounded, before - left.room)
    found = view or View(observed=None)
    return Case(policy, state, found, now, command, before, asked, bounded, wanted, left)


def _within(policy: settings.Service, before: int, asked: int) -> int:
    """Clamp to the bounds, but never turn up into down, down into up, or nothing into something."""
    if asked == before:
        return before
    bounded = min(max(asked, policy.min), policy.max)
    return max(bounded, before) if asked > before else min(bounded, before)


def _act(case: Case) -> Ruling:
    if case.wanted != case.bounded and case.left:
        return Ruling("act", "at_limit", f"asked for {case.asked}, {case.left.room} more may in the time")
    if case.bounded != case.asked:
        return Ruling("act", *gates.clamp(case))
    return Ruling("act", "ok", f"{case.before} → {case.wanted}")


def _idle(policy: settings.Service, state: State, now: datetime) -> messages.Decision:
    return messages.Decision(
        id=identity.derive("idle", state.service, now.isoformat()),
        service=state.service,
        target=policy.target,
        verdict="nothing",
        reason="idle",
        correlation_id="",
        at=now,
    )
