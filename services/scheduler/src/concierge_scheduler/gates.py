"""The gates of a command, one function each: what stops it, and the numbers either way. Pure: no clock, no I/O.

In which order they are asked stands in `decide`.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from concierge_proto import identity, messages, settings
from concierge_scheduler import bounds, deeds, fold, rate
from concierge_scheduler.state import State

RECHECK = timedelta(seconds=2)
"""How soon to look again at what nobody will announce: a rollout, a silent courier."""


class Case(NamedTuple):
    """One wish before its gates."""

    policy: settings.Service
    state: State
    view: bounds.View
    now: datetime
    command: messages.Command
    before: int
    asked: int
    bounded: int
    """`asked`, within the bounds."""
    wanted: int
    """`bounded`, within what the limit of its direction has left; where it has nothing left, `bounded`."""
    left: rate.Left | None = None

    @property
    def direction(self) -> str:
        """`out`, `in`, empty for neither; `act` for what changes no number."""
        if self.command.verb in deeds.VERBS:
            return "act"
        return "out" if self.wanted > self.before else "in" if self.wanted < self.before else ""


class Ruling(NamedTuple):
    """What one gate says. Without a verdict it is open."""

    verdict: messages.Verdict | None
    reason: str
    detail: str = ""
    until: datetime | None = None


def away(case: Case) -> Ruling:
    return Ruling("wait", "away", f"target {case.policy.target} can't be read", case.now + RECHECK)


def unknown(case: Case) -> Ruling:
    name = "unknown_service"
    if case.view.observed is not None:
        return Ruling(None, name, f"target {case.policy.target} has it, {case.before} instances")
    return Ruling("refuse", name, f"target {case.policy.target} has no service {case.state.service}")


def expired(case: Case) -> Ruling:
    left = case.command.expires_at - case.now
    if left > timedelta():
        return Ruling(None, "expired", f"{left.total_seconds():.0f} s left")
    return Ruling("refuse", "expired", f"{-left} too late")


def resolved(case: Case) -> Ruling:
    problem = case.command.problem
    if case.command.manual or not problem:
        return Ruling(None, "resolved", "no problem is behind it")
    if problem in case.state.closed:
        return Ruling("refuse", "resolved", f"problem {problem} has closed")
    return Ruling(None, "resolved", f"problem {problem} is open")


def held(case: Case) -> Ruling:
    hold = bounds.holding(case.state, case.direction, case.now)
    if hold is None:
        return Ruling(None, "held", "no hold")
    said = fold.describe(hold)
    if case.command.manual:
        return Ruling(None, "held", f"{said}; an operator passes")
    return Ruling("wait", "held", said, hold.until)


def changing(case: Case) -> Ruling:
    running = case.state.running
    if running:
        return Ruling("wait", "changing", f"{running.words} is running")
    if case.view.observed and case.view.observed.changing:
        said = case.view.observed.stuck or "a rollout is running"
        return Ruling("wait", "changing", said, case.now + RECHECK)
    return Ruling(None, "changing", "nothing is under way")


def stale(case: Case) -> Ruling:
    if not case.policy.heard:
        return Ruling(None, "stale", "its instances carry no couriers (heard = false)")
    running = bounds.running(case.view)
    said = f"heard {case.view.heard} of {running} instances within {case.policy.fresh:g} s{case.view.unheard}"
    if case.direction == "in" and bounds.blind(case.policy, case.view):
        return Ruling("wait", "stale", said, case.now + RECHECK)
    return Ruling(None, "stale", said)


def clamped(case: Case) -> Ruling:
    if case.bounded != case.before or case.asked == case.before:
        said = f"asked for {case.asked}, bounds {case.policy.min} to {case.policy.max}"
        return Ruling(None, "bounds", said)
    return Ruling("nothing", *clamp(case))


def clamp(case: Case) -> tuple[str, str]:
    """Return the reason code and the words for a number that the bounds have changed."""
    over = case.asked > case.bounded
    bound = f"max is {case.policy.max}" if over else f"min is {case.policy.min}"
    return "at_max" if over else "at_min", f"asked for {case.asked}, {case.before} now, {bound}"


def cooldown(case: Case) -> Ruling:
    outward = case.direction != "in"
    stamp = case.state.out_at if outward else case.state.in_at
    length = case.policy.cooldown_out if outward else case.policy.cooldown_in
    if stamp is None or not case.direction:
        return Ruling(None, "cooldown", f"none to wait for ({length:g} s after a change)")
    until = stamp + timedelta(seconds=length)
    left = (until - case.now).total_seconds()
    if left <= 0:
        return Ruling(None, "cooldown", f"over for {-left:.0f} s ({length:g} s)")
    said = f"{left:.0f} of {length:g} s left after the last change {case.direction}"
    if case.command.manual:
        return Ruling(None, "cooldown", f"{said}; an operator passes")
    return Ruling("wait", "cooldown", said, until)


def limited(case: Case) -> Ruling:
    if case.left is None or not case.direction:
        return Ruling(None, "limit", "none in this direction")
    left = case.left
    said = f"{left.moved} of {left.allowed} have {'come' if case.direction == 'out' else 'gone'} in the time"
    if case.command.manual:
        return Ruling(None, "limit", f"{said}; an operator passes")
    if left.room:
        return Ruling(None, "limit", f"{said}, {left.room} more may")
    return Ruling("wait", "limit", said, left.until or case.now + RECHECK)


def projected(case: Case) -> Ruling:
    if case.direction != "in":
        return Ruling(None, "would_return", "not a step inwards")
    found = rate.project(case.policy, case.command, case.before, case.wanted)
    if found is None:
        return Ruling(None, "would_return", "nothing to reckon with")
    said = f"{case.wanted} would measure {found.value:g}, and {found.name!r} fires above {found.above:g}"
    if found.value <= found.above or case.command.manual:
        return Ruling(None, "would_return", said)
    return Ruling("nothing", "would_return", said)


def no_change(case: Case) -> Ruling:
    if case.wanted != case.before:
        return Ruling(None, "no_change", f"{case.before} → {case.wanted}")
    return Ruling("nothing", "no_change", f"{case.before} run already")


BLIND = (expired, resolved, away)
"""The gates while the endpoint can't be read."""


def decision(case: Case, rulings: list[Ruling], ruling: Ruling, *, seen: bool) -> messages.Decision:
    """Return the decision that `ruling` makes, with what every gate said."""
    verdict: messages.Verdict = ruling.verdict or "act"
    return messages.Decision(
        id=identity.derive("decision", case.command.id, verdict, ruling.reason),
        service=case.state.service,
        target=case.policy.target,
        verdict=verdict,
        reason=ruling.reason,
        detail=ruling.detail,
        command_id=case.command.id,
        correlation_id=case.command.correlation_id,
        before=case.before if seen else None,
        wanted=case.wanted if seen and verdict in {"act", "wait"} else None,
        until=ruling.until,
        at=case.now,
        command=case.command,
        gates=tuple(_told(one) for one in rulings),
    )


def _told(ruling: Ruling) -> messages.Gate:
    return messages.Gate(name=ruling.reason, shut=ruling.verdict is not None, detail=ruling.detail)
