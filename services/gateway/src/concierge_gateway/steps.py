"""Which step of a problem a trigger is: the sender's own, or a tick of `repeat_every`. Pure."""

from datetime import datetime, timedelta

import msgspec

from concierge_proto import identity, messages

REPAIRED = "repair"
"""The step of a problem that was found open and whose webhook never came, where steps are the sender's own."""
_TICK = "tick "
GRACE = timedelta(seconds=30)
"""A webhook gets this long before its problem is looked after without it."""
_SKEW = timedelta(seconds=10)
"""What the clocks of two gateways may differ by."""


def own(trigger: messages.Trigger, kind: str) -> bool:
    """Return whether the sender tells its steps apart itself: Zabbix always does, Alertmanager and Grafana never."""
    if kind != "generic":
        return kind == "zabbix"
    return bool(trigger.step) and not trigger.step.startswith(_TICK)


def ticked(
    trigger: messages.Trigger, repeat_every: float, since: datetime, now: datetime
) -> messages.Trigger:
    """Return the trigger at its tick: how many times `repeat_every` (seconds) has passed since it began.

    The same tick has the same id, whoever notices it. Without `repeat_every`, or before it has passed once,
    the trigger stays as it is. `since` counts where the sender does not say when the problem began.
    """
    if trigger.status == "resolved" or not repeat_every:
        return trigger
    tick = int((now - (trigger.started_at or since)).total_seconds() // repeat_every)
    return _moved(trigger, f"{_TICK}{tick}") if tick > 0 else trigger


def following(
    last: messages.Trigger, repeat_every: float, since: datetime, now: datetime
) -> messages.Trigger | None:
    """Return the next tick of an open problem whose sender has no steps, or None while it is not time."""
    tick = ticked(_fresh(last, now), repeat_every, since, now)
    return None if tick.step == last.step else tick


def repaired(trigger: messages.Trigger, kind: str) -> messages.Trigger:
    """Return an open problem as the step that its lost webhook would have been."""
    if kind == "zabbix":
        return _moved(trigger, REPAIRED)
    # a silenced one must not take the place of what is told once the silence is over
    return _moved(trigger, trigger.verdict) if trigger.verdict else trigger


def overdue(trigger: messages.Trigger, kind: str) -> bool:
    """Return whether a problem has gone on for so long that it may have been repaired, under another id, meanwhile."""
    if kind != "zabbix" or trigger.status == "resolved" or trigger.verdict:
        return False
    return trigger.started_at is None or trigger.received_at - trigger.started_at > GRACE - _SKEW


def resolved(last: messages.Trigger, now: datetime) -> messages.Trigger:
    """Return the end of a problem that is gone at its source and said no farewell."""
    return _moved(msgspec.structs.replace(_fresh(last, now), status="resolved"), "")


def _fresh(trigger: messages.Trigger, now: datetime) -> messages.Trigger:
    return msgspec.structs.replace(trigger, received_at=now, verdict="", detail="", commands=())


def _moved(trigger: messages.Trigger, step: str) -> messages.Trigger:
    name = identity.derive("trigger", trigger.source, trigger.event_id, trigger.status, step)
    return msgspec.structs.replace(trigger, id=name, step=step)
