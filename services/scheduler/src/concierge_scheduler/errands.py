"""When a restart, a signal or a resize may be done: its gates, in this order. Pure: no clock, no I/O.

unknown_service · expired · resolved            → refused, as for a number
held (both ways) · changing                     → waits: one change at a time
no_instance · unknown_instance                  → nothing runs; refused: nobody is called that
no_bounds · at_max · at_min · no_change         → resize: within `[services.NAME.resize]`, and only if it changes
cooldown                                        → waits, unless an operator asked
ok                                              → act
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from concierge_proto import identity, messages, settings
from concierge_scheduler import bounds, deeds, gates
from concierge_scheduler.gates import Case, Ruling
from concierge_scheduler.state import Size, State

_PAUSE = 30.0
"""Seconds, at least, between two tries to give new instances their size."""


def key(verb: str, arguments: dict[str, str]) -> str:
    """Return what a cooldown is counted for: the same deed to the same instance."""
    return f"{verb} {arguments.get('signal', '')} {arguments.get('instance', '')}".strip()


def judge(
    policy: settings.Service, state: State, view: bounds.View | None, now: datetime, command: messages.Command
) -> messages.Decision:
    """Lead one errand through its gates."""
    count = view.observed.wanted if view and view.observed else state.count or 0
    case = Case(policy, state, view or bounds.View(observed=None), now, command, count, count, count, count)
    rulings = [gate(case) for gate in (_GATES if view else gates.BLIND)]
    ruling = next((one for one in rulings if one.verdict), None) or _act(case)
    return gates.decision(case, rulings, ruling, seen=bool(view and view.observed))


def renew(
    policy: settings.Service, state: State, view: bounds.View | None, now: datetime
) -> messages.Decision | None:
    """Return the decision to give instances that came later the size of the others; None: all have it."""
    if view is None or view.observed is None or state.size is None:
        return None
    if bounds.told(policy, state, view.observed.wanted):
        return None
    fresh = [one for one in view.observed.instances if one.running and one.id not in state.sized]
    pause = timedelta(seconds=max(policy.cooldown_out, _PAUSE))
    soon = state.resized_at is not None and now < state.resized_at + pause
    if not fresh or soon or state.running or "*" in state.sized:
        return None
    cause = identity.derive("renew", state.service, now.isoformat())
    names = ", ".join(one.name for one in fresh)
    return messages.Decision(
        id=cause,
        service=state.service,
        target=policy.target,
        verdict="act",
        reason="new_instance",
        detail=f"{names}: {deeds.said(state.size)} as the others",
        correlation_id=cause,
        before=view.observed.wanted,
        wanted=view.observed.wanted,
        at=now,
    )


def allowed(room: settings.Room, asked: Size) -> Size:
    """Return a size within its bounds; what may never be changed is 0."""
    cpus = min(max(asked.cpus, room.min_cpus), room.max_cpus) if asked.cpus else 0
    memory = min(max(asked.memory, room.min_memory), room.max_memory) if asked.memory else 0
    return Size(cpus=cpus, memory=int(memory))


def arguments(policy: settings.Service, command: messages.Command) -> dict[str, str]:
    """Return the arguments as they are carried out."""
    asked = deeds.size(command.arguments)
    if command.verb != "resize" or asked is None or policy.resize is None:
        return command.arguments
    return deeds.words(allowed(policy.resize, asked))


def _instances(case: Case) -> Ruling:
    observed = case.view.observed
    running = deeds.chosen(observed, {}) if observed else ()
    if not running:
        return Ruling("nothing", "no_instance", "none runs")
    meant = deeds.chosen(observed, case.command.arguments) if observed else ()
    names = ", ".join(one.name for one in meant or running)
    if meant:
        return Ruling(None, "unknown_instance", names)
    wanted = case.command.arguments.get("instance")
    return Ruling("refuse", "unknown_instance", f"{wanted} does not run: there is {names}")


def _size(case: Case) -> Ruling:
    asked, room = deeds.size(case.command.arguments), case.policy.resize
    if case.command.verb != "resize" or asked is None:
        return Ruling(None, "no_bounds", "no resize")
    if room is None:
        return Ruling(
            "refuse", "no_bounds", f"there is no [services.{case.state.service}.resize] that says how far"
        )
    found = allowed(room, asked)
    if found == Size():
        return Ruling("refuse", "no_bounds", f"[services.{case.state.service}.resize] has no max for it")
    running = deeds.chosen(case.view.observed, {}) if case.view.observed else ()
    done = "*" in case.state.sized or {one.id for one in running} <= set(case.state.sized)
    if found == case.state.size and done:
        return Ruling("nothing", "no_change", f"all have {deeds.said(found)} already")
    return Ruling(None, "no_bounds", f"asked for {deeds.said(asked)}, may have {deeds.said(found)}")


def _cooldown(case: Case) -> Ruling:
    stamp = case.state.acted.get(key(case.command.verb, case.command.arguments))
    length = case.policy.cooldown_act
    if stamp is None:
        return Ruling(None, "cooldown", f"none to wait for ({length:g} s after the same)")
    until = stamp + timedelta(seconds=length)
    left = (until - case.now).total_seconds()
    if left <= 0:
        return Ruling(None, "cooldown", f"over for {-left:.0f} s ({length:g} s)")
    said = f"{left:.0f} of {length:g} s left after the last {key(case.command.verb, case.command.arguments)}"
    if case.command.manual:
        return Ruling(None, "cooldown", f"{said}; an operator passes")
    return Ruling("wait", "cooldown", said, until)


def describe(policy: settings.Service, command: messages.Command) -> str:
    """Return an errand in words, as it is carried out."""
    told = arguments(policy, command)
    if command.verb == "resize":
        return f"resize every instance to {deeds.said(deeds.size(told) or Size())}"
    whom = told.get("instance", "") or "every instance"
    return f"restart {whom}" if command.verb == "restart" else f"signal {whom} {deeds.signal(told)}"


def _act(case: Case) -> Ruling:
    asked = deeds.size(case.command.arguments)
    carried = deeds.size(arguments(case.policy, case.command))
    reason = "ok"
    if asked and carried and case.command.verb == "resize" and asked != carried:
        over = asked.cpus > carried.cpus or asked.memory > carried.memory
        reason = "at_max" if over else "at_min"
    return Ruling("act", reason, describe(case.policy, case.command))


_GATES: tuple[Callable[[Case], Ruling], ...] = (
    gates.unknown,
    gates.expired,
    gates.resolved,
    gates.held,
    gates.changing,
    _instances,
    _size,
    _cooldown,
)
