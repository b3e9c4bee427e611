"""What a trigger means for a service: a command, a release, or nothing, and why. Pure: no clock, no I/O."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import NamedTuple

import msgspec

from concierge_gateway import actions
from concierge_proto import errors, identity, messages, settings, subjects

VERDICTS = {
    "command": "it became a command",
    "release": "the problem has closed: what waited for it is released",
    "no_rule": "it carries no action, and no rule of the service matches",
    "bad_action": "it carries an action that nobody understands",
    "unknown_service": "it names no service, or none of the configuration",
    "not_allowed": "its source may not speak for this service",
    "too_old": "the problem began longer ago than the source's max_age, and nothing of it was heard before",
    "closed": "a late step of a problem that has closed",
    "repaired": "the late first webhook of a problem that was found open, and served, without it",
    "suppressed": "its source has suppressed it, e.g. in maintenance: nothing is done until it is told again",
    "test": "the sender's test: nothing is done",
    "update": "a comment or a change of severity: nothing is done",
    "canceled": "the escalation was cancelled at the source: nothing is done",
    "blind": "the source could not evaluate its rule: no data is no load, and nothing is done",
}
"""Every reason code that the gateway writes into a trigger; the last four come from the readers.
An answer says `duplicate` when the webhook had been stored before, whatever became of it then."""

RELEASE_TTL = timedelta(days=1)
"""How long a release is worth taking in: it starts nothing, so it may be late; as old as a command can get."""


class Past(NamedTuple):
    """What is known of a problem before this trigger."""

    known: bool = False
    closed: bool = False
    repaired: bool = False
    """Served without its webhook, and the webhook has not come yet."""


class Judged(NamedTuple):
    """A trigger with its verdict written in, and the command it became."""

    trigger: messages.Trigger
    command: messages.Command | None = None
    service: str = subjects.NOBODY
    """Under whose name the event stands: `_` when it names nobody we know."""


class _Ruling(NamedTuple):
    verdict: str
    detail: str
    action: actions.Action | None = None


def judge(trigger: messages.Trigger, config: settings.Settings, past: Past, now: datetime) -> Judged:
    """Return what becomes of a trigger whose source is in the configuration."""
    ruling = _rule(trigger, config, past, now)
    command = _command(trigger, config, ruling)
    written = msgspec.structs.replace(
        trigger,
        verdict=ruling.verdict,
        detail="; ".join(dict.fromkeys(filter(None, (ruling.detail, trigger.detail)))),
        commands=(command.id,) if command else (),
    )
    return Judged(
        written, command, trigger.service if trigger.service in config.services else subjects.NOBODY
    )


def repeat_every(trigger: messages.Trigger, service: settings.Service | None) -> float:
    """Return the seconds after which a trigger without steps of its own acts again; 0: never."""
    rule = match(trigger, service) if service else None
    return float(rule.repeat_every) if rule else 0.0


def match(trigger: messages.Trigger, service: settings.Service) -> settings.Rule | settings.Threshold | None:
    """Return the first rule that matches, else the service's own trigger of that name."""
    for rule in service.rules:
        if _matches(rule, trigger):
            return rule
    return next((own for own in service.triggers if own.name == trigger.name), None)


def _rule(trigger: messages.Trigger, config: settings.Settings, past: Past, now: datetime) -> _Ruling:
    if trigger.verdict:
        return _Ruling(trigger.verdict, "" if trigger.detail else VERDICTS.get(trigger.verdict, ""))
    service = config.services.get(trigger.service)
    source = config.gateway.sources[trigger.source]
    if service is None:
        return _Ruling("unknown_service", _nobody(trigger))
    if source.services and trigger.service not in source.services:
        return _Ruling("not_allowed", f"source {trigger.source} may not speak for {trigger.service}")
    if trigger.status == "resolved":
        return _Ruling("release", "the problem has closed")
    return _late(trigger, source, past, now) or _act(trigger, service)


def _late(trigger: messages.Trigger, source: settings.Source, past: Past, now: datetime) -> _Ruling | None:
    if past.closed:
        return _Ruling("closed", "the problem has closed before; this step came late")
    if past.repaired:
        return _Ruling("repaired", "this problem was found open, and served, before its webhook came")
    if past.known or trigger.started_at is None:
        return None
    age = (now - trigger.started_at).total_seconds()
    if age <= source.max_age:
        return None
    return _Ruling(
        "too_old", f"the problem began {age:.0f} s ago; the source's max_age is {source.max_age:.0f} s"
    )


def _act(trigger: messages.Trigger, service: settings.Service) -> _Ruling:
    if actions.meant(trigger.action):
        return _said(trigger.action, "the trigger says ")
    rule = match(trigger, service)
    if rule is None:
        return _Ruling("no_rule", _unmatched(trigger))
    name = rule.trigger if isinstance(rule, settings.Rule) else rule.name
    return _said(rule.action, f"rule {name!r}: ")


def _said(text: str, whose: str) -> _Ruling:
    """The file's actions were read at the start; a label's come later."""
    try:
        action = actions.parse(text)
    except errors.Malformed as error:
        return _Ruling("bad_action", str(error))
    return _Ruling("command", f"{whose}{action}", action)


def _command(
    trigger: messages.Trigger, config: settings.Settings, ruling: _Ruling
) -> messages.Command | None:
    if ruling.action is None and ruling.verdict != "release":
        return None
    action = ruling.action or actions.Action("release", 0)
    ttl = RELEASE_TTL if action.verb == "release" else timedelta(seconds=config.gateway.command_ttl)
    return messages.Command(
        id=_command_id(trigger, action),
        service=trigger.service,
        target=config.services[trigger.service].target,
        verb=action.verb,
        amount=action.amount,
        arguments=action.arguments or _measured(trigger, action),
        problem=trigger.problem,
        trigger_id=trigger.id,
        correlation_id=trigger.correlation_id,
        reason=trigger.name or ruling.detail,
        owner=trigger.source,
        issued_at=trigger.received_at,
        expires_at=trigger.received_at + ttl,
    )


def _measured(trigger: messages.Trigger, action: actions.Action) -> dict[str, str]:
    """Return what a step inwards is judged by: what was measured, and by which trigger."""
    if action.verb not in {"scale_in", "scale_to"} or not trigger.value:
        return {}
    return {"trigger": trigger.name, "value": trigger.value[:64]}


def _command_id(trigger: messages.Trigger, action: actions.Action) -> str:
    """A problem is released once, however many farewells it sends; a step belongs to its trigger."""
    if action.verb == "release":
        return identity.derive("command", "release", trigger.source, trigger.event_id, trigger.service)
    return identity.derive("command", trigger.id, trigger.service, str(action))


def _matches(rule: settings.Rule, trigger: messages.Trigger) -> bool:
    return (
        fnmatchcase(trigger.name, rule.trigger)
        and trigger.severity >= rule.severity
        and _tagged(rule.tags, trigger.tags)
    )


def _tagged(wanted: Mapping[str, str], found: Mapping[str, str]) -> bool:
    return all(key in found and fnmatchcase(found[key], glob) for key, glob in wanted.items())


def _nobody(trigger: messages.Trigger) -> str:
    if not trigger.service:
        return "the trigger names no service"
    return f"there is no [services.{trigger.service[:80]}] in the configuration, and no labels bring it"


def _unmatched(trigger: messages.Trigger) -> str:
    prose = f" ({trigger.action[:80]!r} is no action)" if trigger.action else ""
    return f"no rule of {trigger.service} matches {trigger.name[:80]!r}{prose}"
