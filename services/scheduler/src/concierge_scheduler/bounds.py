"""Holds, blindness, and a count outside its bounds. Pure: no clock, no I/O."""

from datetime import datetime, timedelta

import msgspec

from concierge_proto import identity, messages, settings
from concierge_scheduler.state import Hold, State
from concierge_scheduler.targets import port

_NAMED = 3
"""Instances that a sentence names."""


class View(msgspec.Struct, frozen=True, kw_only=True):
    """What was read of a service."""

    observed: port.Observed | None
    """None: the endpoint has no such service."""
    heard: int = 0
    """Of its instances, how many have a fresh heartbeat."""
    silent: tuple[str, ...] = ()
    """Those that run and have none, where the endpoint knows what their couriers are called."""

    @property
    def unheard(self) -> str:
        """Some of the silent ones, for people; "" where nobody is."""
        named = (*self.silent[:_NAMED], *(["…"] if len(self.silent) > _NAMED else []))
        return f", not {', '.join(named)}" if named else ""


def repair(
    policy: settings.Service, state: State, view: View | None, now: datetime
) -> messages.Decision | None:
    """Return the decision to bring a count back within the bounds, or None when that is not due.

    A service of somebody else's with no instance at all is switched off, and left so. Corrections are
    `cooldown_out` apart, whatever became of the last one.
    """
    observed = view.observed if view else None
    if view is None or observed is None or (observed.wanted == 0 and policy.process is None):
        return None
    if told(policy, state, observed.wanted):
        return None
    wanted = min(max(observed.wanted, policy.min), policy.max)
    if wanted == observed.wanted or not _may_repair(
        policy, state, view, now, outward=wanted > observed.wanted
    ):
        return None
    reason = "below_min" if wanted > observed.wanted else "above_max"
    cause = identity.derive("repair", state.service, now.isoformat())
    return messages.Decision(
        id=cause,
        service=state.service,
        target=policy.target,
        verdict="act",
        reason=reason,
        detail=f"{observed.wanted} → {wanted}: the bounds are {policy.min} to {policy.max}",
        correlation_id=cause,
        before=observed.wanted,
        wanted=wanted,
        at=now,
    )


def _may_repair(policy: settings.Service, state: State, view: View, now: datetime, *, outward: bool) -> bool:
    pause = timedelta(seconds=policy.cooldown_out)
    return not (
        state.running
        or (view.observed and view.observed.changing)
        or holding(state, "out" if outward else "in", now)
        or (not outward and blind(policy, view))
        or (state.repaired_at and now < state.repaired_at + pause)
    )


def told(policy: settings.Service, state: State, count: int) -> bool:
    """Return True when a correction at this count would only be told, and has been."""
    return policy.dry_run and count == state.told


def holding(state: State, direction: str, now: datetime) -> Hold | None:
    """Return the hold that stops this direction now."""
    for hold in (state.hold, state.drift):
        if hold and direction and now < hold.until and hold.direction in {direction, "both"}:
            return hold
    return None


def blind(policy: settings.Service, view: View) -> bool:
    """Return True when an instance runs that was not heard: then nothing is taken away."""
    return policy.heard and view.heard < running(view)


def running(view: View) -> int:
    return sum(1 for one in view.observed.instances if one.running) if view.observed else 0
