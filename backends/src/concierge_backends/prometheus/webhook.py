"""Alertmanager's webhook, version 4: each alert of a notification is a trigger of its own. Pure.

An alert says what to do by the annotation (or label) `concierge_action`, to which service by the label `service`,
and how often by the annotation `concierge_repeat_every`: the notifications of a firing alert that fall into the
same such period are one step.
"""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from concierge_backends import trigger
from concierge_proto import codec, errors, messages, settings, subjects

_SEVERITIES = {
    word: number
    for number, words in enumerate(
        ("none", "info information", "warning", "average minor", "high error major")
    )
    for word in words.split()
} | dict.fromkeys(("critical", "disaster", "page", "emergency"), 5)

Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class Alert(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What both the webhook and the API tell of an alert."""

    fingerprint: Annotated[str, msgspec.Meta(min_length=1)]
    starts_at: Moment
    labels: dict[str, str]
    annotations: dict[str, str] = {}
    generator_url: str = msgspec.field(default="", name="generatorURL")

    def said(self, name: str) -> str:
        """Return what an annotation says, or else a label."""
        return self.annotations.get(name) or self.labels.get(name, "")


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What Alertmanager does about an alert."""

    state: str = "active"


class Listed(Alert, frozen=True, kw_only=True, rename="camel"):
    """An alert in the list."""

    status: State = State()


class Told(Alert, frozen=True, kw_only=True, rename="camel"):
    """An alert in a notification."""

    status: Literal["firing", "resolved"]


class Notification(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The body. The status of the whole group says nothing about one alert."""

    version: Literal["4"]
    alerts: list[Told]
    truncated_alerts: int = 0


def read(body: bytes, source: str, received_at: datetime) -> list[messages.Trigger]:
    """Return one trigger an alert; raise Malformed with the field."""
    found = codec.decode(Notification, body)
    note = cut_off(found.truncated_alerts)
    return [told(alert, source, received_at, note) for alert in found.alerts]


def cut_off(alerts: int) -> str:
    """Return the sentence about alerts that the notification did not carry."""
    return f"{alerts} further alerts were cut off: set max_alerts to 0" if alerts else ""


def told(alert: Told, source: str, received_at: datetime, note: str) -> messages.Trigger:
    """Return the trigger of one alert of a notification."""
    return _trigger(alert, source, received_at, alert.status == "firing", note)


def listed(body: bytes, source: str, now: datetime) -> list[messages.Trigger]:
    """Return the alerts of `/api/v2/alerts`, as the webhook would have told them; silenced ones say so."""
    return [
        msgspec.structs.replace(
            _trigger(alert, source, now, True, ""),  # noqa: FBT003
            verdict="suppressed" if alert.status.state == "suppressed" else "",
        )
        for alert in codec.decode(list[Listed], body)
    ]


def _trigger(alert: Alert, source: str, now: datetime, firing: bool, note: str) -> messages.Trigger:  # noqa: FBT001
    service, odd = _service(alert.labels.get("service", ""))
    return trigger.make(
        source,
        f"{alert.fingerprint}-{int(alert.starts_at.timestamp() * 1000)}",
        "problem" if firing else "resolved",
        _tick(alert, now) if firing else "",
        service=service,
        name=alert.labels.get("alertname", ""),
        severity=_severity(alert.labels.get("severity", "")),
        tags=alert.labels,
        value=alert.annotations.get("value", ""),
        action=alert.said("concierge_action"),
        url=alert.generator_url,
        started_at=alert.starts_at,
        received_at=now,
        detail="; ".join(text for text in (odd, note) if text),
    )


def _service(label: str) -> tuple[str, str]:
    """Return the service and what is odd about it: one odd alert must not lose the others."""
    try:
        return (subjects.name(label), "") if label else ("", "")
    except errors.Malformed as error:
        return "", f"labels.service: {error}"


def _tick(alert: Alert, now: datetime) -> str:
    every = alert.annotations.get("concierge_repeat_every", "")
    if not every:
        return ""
    try:
        seconds = settings.Duration.parse(every)
    except ValueError as error:
        raise errors.Malformed(f"annotations.concierge_repeat_every: {error}") from error
    if not seconds:
        return ""
    return str(max(0, int((now - alert.starts_at).total_seconds() / seconds)))


def _severity(label: str) -> int:
    if label.isascii() and label.isdigit():
        return min(int(label[:3]), 5)
    return _SEVERITIES.get(label.lower(), 0)
