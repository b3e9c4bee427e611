"""How a decision is written into a service's document. Pure: no clock, no I/O."""

from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from concierge_proto import identity, messages, settings
from concierge_scheduler import bounds, fold
from concierge_scheduler import state as document
from concierge_scheduler.state import State

_change = msgspec.structs.replace


class Deed(NamedTuple):
    """What a change does besides its number."""

    verb: str
    arguments: dict[str, str]


SCALE = Deed("", {})


def begun(
    policy: settings.Service,
    decision: messages.Decision,
    view: bounds.View | None,
    lease: int,
    deed: Deed = SCALE,
) -> document.Change:
    """Return what a decision to act sets going."""
    instances = view.observed.instances if view and view.observed else ()
    later = decision.at + timedelta(seconds=policy.converge)
    return document.Change(
        id=decision.id,
        command_id=decision.command_id,
        correlation_id=decision.correlation_id,
        before=decision.before or 0,
        wanted=decision.wanted or 0,
        names=tuple(one.name for one in instances),
        ids=tuple(one.id for one in instances),
        lease=lease,
        started_at=decision.at,
        expires_at=decision.command.expires_at if decision.command else later,
        verb=deed.verb,
        arguments=deed.arguments,
    )


def close(state: State, decision: messages.Decision) -> State:
    """Answer the command behind a decision for good."""
    wishes = tuple(wish for wish in state.wishes if wish.command.id != decision.command_id)
    left = tuple(wish for wish in state.errands if wish.command.id != decision.command_id)
    state = _change(state, wishes=wishes, errands=left)
    return document.say(state, decision, decision.id, decision.command_id)


def supersede(state: State, detail: str = "a stronger one found nothing to do") -> State:
    for wish in state.wishes:
        state = fold.refuse(state, wish.command, "superseded", detail)
    return state


def wait(state: State, decision: messages.Decision) -> State:
    """Note when to look again; say so once for each reason."""

    def noted(wish: document.Wish) -> document.Wish:
        if wish.command.id != decision.command_id:
            return wish
        return _change(wish, until=decision.until, said=decision.reason)

    known = any(
        wish.said == decision.reason
        for wish in (*state.wishes, *state.errands)
        if wish.command.id == decision.command_id
    )
    wishes, left = tuple(map(noted, state.wishes)), tuple(map(noted, state.errands))
    state = _change(state, wishes=wishes, errands=left)
    return state if known else document.say(state, decision, decision.id, decision.command_id)


def told(
    policy: settings.Service,
    command: messages.Command,
    verdict: messages.Verdict,
    reason: str,
    detail: str,
    now: datetime,
) -> messages.Decision:
    return messages.Decision(
        id=identity.derive("decision", command.id, verdict, reason),
        service=command.service,
        target=policy.target,
        verdict=verdict,
        reason=reason,
        detail=detail,
        command_id=command.id,
        correlation_id=command.correlation_id,
        at=now,
        command=command,
    )
