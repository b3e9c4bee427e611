"""How many instances may still come or go within a time, and what a service would measure with fewer. Pure."""

import math
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from concierge_proto import messages, settings
from concierge_scheduler.state import Step

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?(?= ?%?$)")
_SHARED = ("avg", "max")
"""Aggregates that grow when the same load falls on fewer."""


class Left(NamedTuple):
    """What a limit still allows."""

    room: int
    moved: int
    allowed: int
    until: datetime | None
    """When the oldest step leaves the time, and there is more room."""


def left(
    limit: settings.Limit, steps: Iterable[Step], count: int, now: datetime, *, outward: bool
) -> Left | None:
    """Return what a limit allows from `count` on, in one direction; None: it bounds nothing."""
    per = timedelta(seconds=limit.per)
    recent = [step for step in steps if now < step.at + per]
    began = count - sum(step.after - step.before for step in recent)
    bounds = [limit.instances] if limit.instances else []
    bounds += [max(1, math.ceil(began * limit.percent / 100))] if limit.percent else []
    if not bounds:
        return None
    ours = [step for step in recent if (step.after > step.before) == outward]
    moved = sum(abs(step.after - step.before) for step in ours)
    until = min((step.at + per for step in ours), default=None)
    return Left(max(0, min(bounds) - moved), moved, min(bounds), until)


class Projection(NamedTuple):
    """What the remaining instances would measure."""

    value: float
    above: float
    name: str
    """Of the trigger that would fire."""


def project(
    policy: settings.Service, command: messages.Command, before: int, wanted: int
) -> Projection | None:
    """Return what a step inwards would lead to; None where the command does not say what was measured.

    A trigger that Concierge set up is known by its name. What it measured is spread over fewer instances, and
    compared with the trigger that scales out on the same metric.
    """
    measured = _NUMBER.match(command.arguments.get("value", ""))
    asked = next((one for one in policy.triggers if one.name == command.arguments.get("trigger")), None)
    if measured is None or asked is None or asked.of not in _SHARED or wanted < 1:
        return None
    rivals = [
        one
        for one in policy.triggers
        if one.metric == asked.metric and one.of == asked.of and one.action.startswith("scale_out")
    ]
    found = [
        Projection(float(measured[0]) * before / wanted, one.above, one.name)
        for one in rivals
        if one.above is not None
    ]
    return min(found, key=lambda one: one.above, default=None)
