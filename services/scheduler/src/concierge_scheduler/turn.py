"""One turn of a service: what comes in and what was decided, written into its document. Pure: no clock, no I/O.

Every event is stored in the document together with the change that it reports, and published after that:
a crash in between publishes it later, under the same id.
"""

from datetime import datetime, timedelta

import msgspec

from concierge_proto import identity, messages, settings
from concierge_scheduler import controls, decide, deeds, entry, errands, fold, late
from concierge_scheduler import state as document
from concierge_scheduler.state import State

REMEMBERED = timedelta(days=1)
"""How long problems are known: the longest that a command may wait on the bus."""


_STEPS = 500
"""Remembered, at most: a step each three minutes for a day."""
_change = msgspec.structs.replace
_DONE = {"already_applied", "released", "hold_set", "hold_lifted"}
"""Reasons of a command that is done with, and not refused."""


def take(policy: settings.Service, state: State, command: messages.Command, now: datetime) -> State:
    """Take a command in. One whose time is over opens and merges nothing; a release is never too late."""
    state = forget(state, now)
    if command.id in state.applied or command.verb in {"release", "lift"} or now < command.expires_at:
        state = fold.fold(state, command)
    else:
        state = fold.refuse(state, command, "expired", f"{now - command.expires_at} too late")
    return _answer_refused(policy, state, now)


def step(
    policy: settings.Service, state: State, view: decide.View | None, now: datetime, lease: int = 0
) -> State:
    """Decide, and write the decision down: with `running` set, the next thing to do is to call Docker."""
    state = forget(state, now)
    if view and view.observed:
        state = controls.adopt(policy, state, view.observed.wanted, now, view.observed.died)
    decision = decide.decide(policy, state, view, now)
    while decision.verdict == "refuse":
        state = entry.close(state, decision)
        decision = decide.decide(policy, state, view, now)
    if decision.verdict == "act":
        state = _begin(policy, state, decision, view, lease)
    elif decision.command:
        state = (
            entry.wait(state, decision)
            if decision.verdict == "wait"
            else entry.supersede(entry.close(state, decision))
        )
    state = _run_errands(policy, state, view, now, lease)
    return _answer_refused(policy, _line_up(policy, state, now), now)


def _run_errands(
    policy: settings.Service, state: State, view: decide.View | None, now: datetime, lease: int
) -> State:
    """Judge every errand, an operator's first: the first whose gates are open begins."""
    for wish in sorted(state.errands, key=lambda one: not one.command.manual):
        decision = errands.judge(policy, state, view, now, wish.command)
        if decision.verdict == "act":
            arguments = errands.arguments(policy, wish.command)
            change = entry.begun(policy, decision, view, lease, entry.Deed(wish.command.verb, arguments))
            state = entry.close(_change(state, running=change), decision)
        else:
            state = (
                entry.wait(state, decision) if decision.verdict == "wait" else entry.close(state, decision)
            )
    renewal = errands.renew(policy, state, view, now)
    if renewal is None or state.size is None:
        return state
    change = entry.begun(policy, renewal, view, lease, entry.Deed("resize", deeds.words(state.size)))
    return document.say(_change(state, running=change, resized_at=now), renewal, renewal.id)


def finish(
    state: State,
    outcome: messages.Outcome,
    count: int | None = None,
    sized: tuple[str, ...] = (),
    lasting: float = 0,
) -> State:
    """Close the running change. A cooldown begins now, unless nothing came of it.

    `count`: what the endpoint strives for; slow instances of it are no drift later. `sized`: ids of the instances
    that a resize has reached. `lasting`: seconds for which a call of it, whose end nobody saw, may go on.
    """
    change = state.running
    if change is None:
        return state
    if outcome.result == "dry_run":
        told = state.told if change.command_id else change.before
        return document.say(_change(state, running=None, told=told), outcome, outcome.id, change.id)
    if change.verb:
        return document.say(_done(state, change, outcome, sized), outcome, outcome.id, change.id)
    left = outcome.after if count is None else count
    state = late.note(_change(state, running=None, count=left, former=None), change, outcome.at, lasting)
    if left != change.before:
        step = document.Step(at=outcome.at, before=change.before, after=left)
        state = _change(state, steps=(*state.steps, step)[-_STEPS:])
    if outcome.result != "failed" or left != change.before:
        state = (
            _change(state, out_at=outcome.at, in_at=None)
            if change.outward
            else _change(state, in_at=outcome.at)
        )
    return document.say(state, outcome, outcome.id, change.id)


def forget(state: State, now: datetime) -> State:
    """Drop what is over: wishes, command ids, holds, old problems."""
    for wish in (*state.wishes, *state.errands):
        if wish.command.expires_at <= now:
            state = fold.refuse(
                state, wish.command, "expired", f"its gate stayed shut: {wish.said or 'never tried'}"
            )
    return _change(
        state,
        applied={key: until for key, until in state.applied.items() if now < until},
        open={key: at for key, at in state.open.items() if now < at + REMEMBERED},
        closed={key: at for key, at in state.closed.items() if now < at + REMEMBERED},
        steps=tuple(step for step in state.steps if now < step.at + REMEMBERED),
        late=tuple(one for one in state.late if now < one.until),
        acted={key: at for key, at in state.acted.items() if now < at + REMEMBERED},
        hold=_standing(state.hold, now),
        drift=_standing(state.drift, now),
    )


def dismiss(policy: settings.Service, state: State, now: datetime) -> State:
    """Refuse everything that waits for a service whose labels are gone."""
    for wish in (*state.wishes, *state.errands):
        state = fold.refuse(state, wish.command, "unknown_service", "its labels are gone")
    return _answer_refused(policy, state, now)


def mend(state: State, now: datetime) -> State:
    """Pull stamps that lie in the future back to now: a clock was set back. What was told may be told again."""
    return _change(
        state,
        out_at=min(state.out_at, now) if state.out_at else None,
        in_at=min(state.in_at, now) if state.in_at else None,
        repaired_at=min(state.repaired_at, now) if state.repaired_at else None,
        resized_at=min(state.resized_at, now) if state.resized_at else None,
        started_at=min(state.started_at, now) if state.started_at else None,
        told=None,
        steps=tuple(_change(step, at=min(step.at, now)) for step in state.steps),
        acted={key: min(at, now) for key, at in state.acted.items()},
    )


def wake(state: State) -> datetime | None:
    """Return when the next turn is due; None: only when something happens."""
    waiting = (*state.wishes, *state.errands)
    times = [wish.command.expires_at for wish in waiting]
    times += [wish.until for wish in waiting if wish.until]
    return min(times, default=None)


def unknown(command: messages.Command, now: datetime, why: str = "") -> messages.Decision:
    """Return the answer to a command for a service that this target's configuration does not name.

    `why`: what is wrong with the labels that would bring it.
    """
    return messages.Decision(
        id=identity.derive("decision", command.id, "unknown_service"),
        service=command.service,
        target=command.target,
        verdict="refuse",
        reason="unknown_service",
        detail=f"there is no [services.{command.service}] on target {command.target}"
        + (f", and its labels are refused: {why}" if why else ""),
        command_id=command.id,
        correlation_id=command.correlation_id,
        at=now,
        command=command,
    )


def _begin(
    policy: settings.Service,
    state: State,
    decision: messages.Decision,
    view: decide.View | None,
    lease: int,
) -> State:
    state = _change(state, running=entry.begun(policy, decision, view, lease))
    if decision.command is None:
        return document.say(_change(state, repaired_at=decision.at), decision, decision.id)
    return entry.supersede(entry.close(state, decision), f"{decision.command_id} acts for it")


def _done(state: State, change: document.Change, outcome: messages.Outcome, sized: tuple[str, ...]) -> State:
    """Close an errand: what was begun is charged, a failure before that is not."""
    state = _change(state, running=None)
    if outcome.result == "failed":
        return state
    state = _change(state, acted={**state.acted, errands.key(change.verb, change.arguments): outcome.at})
    size = deeds.size(change.arguments) if change.verb == "resize" else None
    return _change(state, size=size, sized=sized) if size else state


def _line_up(policy: settings.Service, state: State, now: datetime) -> State:
    """Tell every wish that stands behind the leading one, once."""
    leader = fold.leading(state)
    for wish in state.wishes:
        if leader is None or wish.command is leader or wish.said == "merged":
            continue
        waiting = entry.told(policy, wish.command, "wait", "merged", f"behind {leader.id}", now)
        state = entry.wait(state, waiting)
    return state


def _answer_refused(policy: settings.Service, state: State, now: datetime) -> State:
    """Turn what folding refused into decisions, and holds into events of their own."""
    refused, state = state.refused, _change(state, refused=())
    for one in refused:
        verdict: messages.Verdict = "nothing" if one.reason in _DONE else "refuse"
        decision = entry.told(policy, one.command, verdict, one.reason, one.detail, now)
        state = document.say(state, decision, decision.id, one.command.id)
        if one.reason in {"hold_set", "hold_lifted"}:
            state = controls.confirm(state, one)
    return state


def _standing(hold: document.Hold | None, now: datetime) -> document.Hold | None:
    return hold if hold and now < hold.until else None
