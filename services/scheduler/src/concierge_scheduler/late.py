"""Calls of ours whose end nobody saw: what they still do after a newer number is undone. Pure: no clock, no I/O.

holder killed, stopped or cut off ──▶ another finishes its change ──▶ a newer change is proven
    └ its docker child goes on ───────────────────────────────────────────┴──▶ the older number comes late
                                                                              ──▶ act, late_call: the newer one again
"""

from datetime import datetime, timedelta

import msgspec

from concierge_proto import identity, messages, settings
from concierge_scheduler import bounds
from concierge_scheduler.state import Change, Late, State

_change = msgspec.structs.replace


def note(state: State, ended: Change, at: datetime, lasting: float) -> State:
    """Return the state with this change over: earlier calls are overtaken, its own may go on for `lasting` seconds."""
    late = tuple(_change(one, overtaken=one.overtaken or ended.wanted != one.wanted) for one in state.late)
    if lasting:
        own = Late(
            id=ended.id,
            correlation_id=ended.correlation_id,
            wanted=ended.wanted,
            until=at + timedelta(seconds=lasting),
        )
        late = (*late, own)
    return _change(state, late=late)


def behind(policy: settings.Service, state: State, count: int, now: datetime) -> Late | None:
    """Return the call that may have made this count: it lies on the way from our number to that of the call."""
    ours = state.count
    if ours is None or policy.dry_run:
        return None
    for one in state.late:
        between = ours < count <= one.wanted or one.wanted <= count < ours
        if one.overtaken and between and now < one.until:
            return one
    return None


def undo(
    policy: settings.Service, state: State, view: bounds.View | None, now: datetime
) -> messages.Decision | None:
    """Return the decision to set the newer number again, or None when nothing came late or its gate is shut."""
    observed = view.observed if view else None
    if view is None or observed is None or state.running or observed.changing:
        return None
    count, wanted = observed.wanted, state.count
    one = behind(policy, state, count, now)
    if one is None or wanted is None or _stopped(policy, state, view, now, outward=wanted > count):
        return None
    return messages.Decision(
        id=identity.derive("late", one.id, now.isoformat()),
        service=state.service,
        target=policy.target,
        verdict="act",
        reason="late_call",
        detail=f"{count} → {wanted}: an earlier call for {one.wanted} ended after a newer number was set",
        correlation_id=one.correlation_id,
        before=count,
        wanted=wanted,
        at=now,
    )


def _stopped(
    policy: settings.Service, state: State, view: bounds.View, now: datetime, *, outward: bool
) -> bool:
    """An operator's hold does; somebody else's number does not, for that is what is set again."""
    held = bounds.holding(_change(state, drift=None), "out" if outward else "in", now)
    return held is not None or (not outward and bounds.blind(policy, view))
