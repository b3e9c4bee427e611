"""What a service is told about itself without a command: drift, an obstacle, a hold. Pure: no clock, no I/O."""

from datetime import datetime, timedelta

import msgspec

from concierge_proto import identity, messages, settings
from concierge_scheduler import late
from concierge_scheduler import state as document
from concierge_scheduler.state import State

STARTING = timedelta(seconds=30)
"""How long instances of a service that somebody starts may follow one another."""
_change = msgspec.structs.replace


def adopt(policy: settings.Service, state: State, count: int, now: datetime, died: int = 0) -> State:
    """Take over a count that is not the one we wrote; leave alone for a while what somebody else did.

    A process target belongs to us alone: there it is an instance that died. A service that comes up from nothing
    was started, and not scaled by somebody who knows better: what was left alone while it was down, as by
    `docker compose down` and `up`, is no longer. Nor is a number that is ours again: who stopped one and starts it has
    no other number in mind. What a late call of our own has done is undone.
    `died`: so many lie there dead; where they are all that is missing, nobody scaled, and nothing is left alone.
    """
    if state.running or count == state.count or late.behind(policy, state, count, now):
        return state
    before, state = state.count, _change(state, count=count)
    if before is None:
        return state
    more = before < count and state.started_at is not None and now < state.started_at + STARTING
    back = state.former is not None and now < state.former.until and count == state.former.count
    lost = 0 < count < before <= count + died
    what = "started" if not before or more else "died" if lost else "returned" if back else "drift"
    dead = f"; {died} lie there dead, by an error or a kill" if died and count < before else ""
    detail = f"{before} → {count}, not by us{dead}"
    if what == "started":  # and whoever starts it may have more to start before it is too few
        state = _change(state, started_at=state.started_at if more else now, repaired_at=now)
    if what in {"started", "returned"}:
        state = _change(state, drift=None, former=None)
    elif policy.process is None:
        state = _leave(state, before, what, detail, now, now + timedelta(seconds=policy.drift_hold))
    cause = identity.derive(what, state.service, str(before), str(count), now.isoformat())
    control = messages.Control(service=state.service, what=what, detail=detail, correlation_id=cause, at=now)
    return document.say(state, control, cause)


def _leave(state: State, before: int, what: str, detail: str, now: datetime, until: datetime) -> State:
    """Keep the number that was ours, and hold what somebody else has set."""
    known = state.former if state.former and now < state.former.until else None
    state = _change(state, former=document.Former(count=known.count if known else before, until=until))
    if what == "died":
        return state
    return _change(state, drift=document.Hold(until=until, owner="drift", reason=detail))


def foresee(state: State, obstacle: str, now: datetime) -> State:
    """Keep what stands in the way of more instances, and say it when that is news."""
    if obstacle == state.obstacle:
        return state
    what = "cannot_scale" if obstacle else "can_scale"
    cause = identity.derive(what, state.service, obstacle, now.isoformat())
    control = messages.Control(
        service=state.service, what=what, detail=obstacle, correlation_id=cause, at=now
    )
    return document.say(_change(state, obstacle=obstacle), control, cause)


def confirm(state: State, one: document.Refusal) -> State:
    """Put an operator's hold, or its end, on record."""
    control = messages.Control(
        service=state.service,
        what=one.reason,
        detail=one.detail,
        owner=one.command.owner,
        correlation_id=one.command.correlation_id,
        at=one.command.issued_at,
    )
    return document.say(state, control, identity.derive("control", one.command.id), one.command.id)
