"""What a command means, and whether its time has come. Pure: no clock, no I/O; time comes in as `now`.

A command has been folded into the state as a wish (`fold`). `decide` looks at the leading
wish and walks it through the gates; the first gate that stops it names the reason:

    away · unknown_service · expired · resolved     → refused, but for `away`: waits
    held · changing · stale                         → waits
    at_max · at_min                                 → clamped; nothing when that leaves the count as it is
    cooldown                                        → waits
    no_change · dry_run                             → nothing
    ok                                              → act

What can never be served is refused before anything may wait, so that nothing dead waits.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from concierge_proto import identity, messages, settings
from concierge_scheduler import bounds, fold
from concierge_scheduler.state import State

View = bounds.View
RECHECK = timedelta(seconds=2)
"""How soon to look again at what nobody will announce: a rollout, a silent courier."""


class _Case(NamedTuple):
    """One wish before its gates."""

    policy: settings.Service
    state: State
    view: View
    now: datetime
    command: messages.Command
    before: int
    asked: int
    wanted: int
    """`asked`, within the bounds."""

    @property
    def direction(self) -> str:
        return "out" if self.wanted > self.before else "in" if self.wanted < self.before else ""


class _Ruling(NamedTuple):
    verdict: messages.Verdict
    reason: str
    detail: str = ""
    until: datetime | None = None


def decide(policy: settings.Service, state: State, view: View | None, now: datetime) -> messages.Decision:
    """Return what is to be done now: about the leading wish, else about a count outside the bounds.

    `view` is None while the endpoint can't be read. Without anything to do the verdict is `nothing`, reason `idle`.
    """
    command = fold.leading(state)
    judged = _judge(policy, state, view, now, command) if command else None
    if judged is not None and judged.verdict != "wait":
        return judged
    return bounds.repair(policy, state, view, now) or judged or _idle(policy, state, now)


def _judge(
    policy: settings.Service, state: State, view: View | None, now: datetime, command: messages.Command
) -> messages.Decision:
    before = view.observed.wanted if view and view.observed else state.count or 0
    asked = fold.result(command, before)
    case = _Case(
        policy,
        state,
        view or View(observed=None),
        now,
        command,
        before,
        asked,
        _within(policy, before, asked),
    )
    gates = _GATES if view else _GATES_BLIND
    ruling = next((found for gate in gates if (found := gate(case))), None) or _act(case)
    seen = view is not None and view.observed is not None
    return messages.Decision(
        id=identity.derive("decision", command.id, ruling.verdict, ruling.reason),
        service=state.service,
        target=policy.target,
        verdict=ruling.verdict,
        reason=ruling.reason,
        detail=ruling.detail,
        command_id=command.id,
        correlation_id=command.correlation_id,
        before=before if seen else None,
        wanted=case.wanted if seen and ruling.verdict in {"act", "wait"} else None,
        until=ruling.until,
        at=now,
        command=command,
    )


def _within(policy: settings.Service, before: int, asked: int) -> int:
    """Clamp to the bounds, but never turn up into down or down into up."""
    bounded = min(max(asked, policy.min), policy.max)
    return max(bounded, before) if asked >= before else min(bounded, before)


def _away(case: _Case) -> _Ruling:
    return _Ruling("wait", "away", f"target {case.policy.target} can't be read", case.now + RECHECK)


def _unknown(case: _Case) -> _Ruling | None:
    if case.view.observed is not None:
        return None
    return _Ruling(
        "refuse", "unknown_service", f"target {case.policy.target} has no service {case.state.service}"
    )


def _expired(case: _Case) -> _Ruling | None:
    late = case.now - case.command.expires_at
    return _Ruling("refuse", "expired", f"{late} too late") if late >= timedelta() else None


def _resolved(case: _Case) -> _Ruling | None:
    if case.command.manual or case.command.problem not in case.state.closed:
        return None
    return _Ruling("refuse", "resolved", f"problem {case.command.problem} has closed")


def _held(case: _Case) -> _Ruling | None:
    hold = None if case.command.manual else bounds.holding(case.state, case.direction, case.now)
    return _Ruling("wait", "held", fold.describe(hold), hold.until) if hold else None


def _changing(case: _Case) -> _Ruling | None:
    running = case.state.running
    if running:
        return _Ruling("wait", "changing", f"{running.before} → {running.wanted} is running")
    if case.view.observed and case.view.observed.changing:
        return _Ruling("wait", "changing", "a rollout is running", case.now + RECHECK)
    return None


def _stale(case: _Case) -> _Ruling | None:
    if case.direction != "in" or not bounds.blind(case.policy, case.view):
        return None
    detail = (
        f"heard {case.view.heard} of {bounds.running(case.view)} instances within {case.policy.fresh:g} s"
    )
    return _Ruling("wait", "stale", detail, case.now + RECHECK)


def _bound(case: _Case) -> _Ruling | None:
    if case.wanted != case.before or case.asked == case.before:
        return None
    return _Ruling("nothing", *_clamped(case))


def _cooldown(case: _Case) -> _Ruling | None:
    if case.command.manual or not case.direction:
        return None
    outward = case.direction == "out"
    stamp = case.state.out_at if outward else case.state.in_at
    length = case.policy.cooldown_out if outward else case.policy.cooldown_in
    if stamp is None or case.now >= stamp + timedelta(seconds=length):
        return None
    until = stamp + timedelta(seconds=length)
    left = (until - case.now).total_seconds()
    return _Ruling(
        "wait", "cooldown", f"{left:.0f} of {length:g} s left after the last change {case.direction}", until
    )


def _no_change(case: _Case) -> _Ruling | None:
    if case.wanted != case.before:
        return None
    return _Ruling("nothing", "no_change", f"{case.before} run already")


def _dry_run(case: _Case) -> _Ruling | None:
    if not case.policy.dry_run:
        return None
    return _Ruling("nothing", "dry_run", f"would go {case.before} → {case.wanted}")


def _act(case: _Case) -> _Ruling:
    if case.wanted != case.asked:
        return _Ruling("act", *_clamped(case))
    return _Ruling("act", "ok", f"{case.before} → {case.wanted}")


def _clamped(case: _Case) -> tuple[str, str]:
    over = case.asked > case.wanted
    bound = f"max is {case.policy.max}" if over else f"min is {case.policy.min}"
    return "at_max" if over else "at_min", f"asked for {case.asked}, {case.before} now, {bound}"


_Gate = Callable[[_Case], _Ruling | None]
_GATES: tuple[_Gate, ...] = (
    _unknown,
    _expired,
    _resolved,
    _held,
    _changing,
    _stale,
    _bound,
    _cooldown,
    _no_change,
    _dry_run,
)
_GATES_BLIND: tuple[_Gate, ...] = (_expired, _resolved, _away)


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
