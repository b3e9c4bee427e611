"""Grafana's own alerting: its webhook is Alertmanager's in another dress. Pure.

What an alert says is written as for Alertmanager: labels `service` and `severity`, annotations `concierge_action` and
`concierge_repeat_every`. That a query failed or found no data is no load, and does nothing.
"""

from datetime import datetime
from typing import Any

import msgspec

from concierge_backends.prometheus import webhook
from concierge_proto import codec, identity, messages

_BLIND = {"DatasourceNoData": "the query found no data", "DatasourceError": "the query failed"}
"""Grafana's own alerts about a rule that it could not evaluate; they carry the rule's labels and annotations."""
_REASON = "grafana_state_reason"
_UNSEEN = {"NoData": _BLIND["DatasourceNoData"], "Error": _BLIND["DatasourceError"]}
"""Why Grafana calls an alert firing whose rule is set to fire then."""


class Alert(webhook.Told, frozen=True, kw_only=True, rename="camel"):
    """An alert in a notification."""

    values: dict[str, Any] | None = None
    """Of the rule's expressions, by their letters."""
    value_string: str = ""
    """The same in older versions, as prose."""


class Notification(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The body."""

    alerts: list[Alert]
    truncated_alerts: int = 0


def read(body: bytes, source: str, received_at: datetime) -> list[messages.Trigger]:
    """Return one trigger an alert; raise Malformed with the field."""
    found = codec.decode(Notification, body)
    note = webhook.cut_off(found.truncated_alerts)
    return [_trigger(alert, webhook.told(alert, source, received_at, note)) for alert in found.alerts]


def _trigger(alert: Alert, found: messages.Trigger) -> messages.Trigger:
    name = alert.labels.get("alertname", "")
    if name in _BLIND:
        return msgspec.structs.replace(found, verdict="blind", detail=_BLIND[name])
    if name == "TestAlert" and alert.labels.get("instance") == "Grafana":
        return msgspec.structs.replace(found, verdict="test", detail="Grafana's Test button: nothing is done")
    reason = alert.annotations.get(_REASON, "")
    if alert.status == "firing" and reason in _UNSEEN:
        return _unseen(found, f"{_REASON} {reason}: {_UNSEEN[reason]}")
    return msgspec.structs.replace(found, value=found.value or _value(alert))


def _unseen(found: messages.Trigger, detail: str) -> messages.Trigger:
    """Return it as a step of its own: once there is data again, the same alert may fire in earnest."""
    step = f"blind {found.step}".rstrip()
    return msgspec.structs.replace(
        found,
        id=identity.derive("trigger", found.source, found.event_id, found.status, step),
        step=step,
        verdict="blind",
        detail=detail,
    )


def _value(alert: Alert) -> str:
    if not alert.values:
        return alert.value_string[:256]
    return ", ".join(f"{letter}={value}" for letter, value in sorted(alert.values.items()))[:256]
