"""What FastAPI cannot read off the code: bodies are decoded by the sources' readers, not by its models."""

from collections.abc import Sequence
from typing import Any

_ANSWER = {
    "type": "object",
    "required": ["decision", "reason"],
    "properties": {
        "id": {"type": "string", "description": "Of the trigger: the same for the same webhook."},
        "correlation_id": {"type": "string", "description": "Of the incident: `concierge incident ID`."},
        "decision": {"type": "string", "description": "A reason code."},
        "reason": {"type": "string", "description": "The same as a sentence."},
        "triggers": {
            "type": "array",
            "items": {"type": "object"},
            "description": "Each one, when the webhook carried several.",
        },
        "tags": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "For Zabbix: put on the event.",
        },
    },
}
_ZABBIX = {
    "event_id": "4711",
    "event_value": "1",
    "event_update": "0",
    "event_name": "High load on service web",
    "event_severity": "4",
    "event_tags": '[{"tag":"service","value":"web"}]',
    "event_started": "2026.11.22 10:35:28",
    "host": "service web",
    "value": "7.2",
    "subject": "scale_out 1",
    "action_id": "12",
    "sent": "2026.11.22 10:35:28",
}
_ALERTMANAGER: dict[str, Any] = {
    "version": "4",
    "groupKey": '{}:{service="web"}',
    "status": "firing",
    "receiver": "concierge",
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "HighLoad", "service": "web", "severity": "high"},
            "annotations": {"concierge_action": "scale_out 1"},
            "startsAt": "2026-11-22T10:35:28.123Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus.example:9090/graph",
            "fingerprint": "5ef77f1f8a3ecfb4",
        }
    ],
}
_GRAFANA = {
    "receiver": "concierge",
    "status": "firing",
    "orgId": 1,
    "alerts": [
        {
            **_ALERTMANAGER["alerts"][0],
            "values": {"B": 7.2},
            "silenceURL": "http://grafana.example:3000/alerting/silence/new",
        }
    ],
    "version": "1",
    "groupKey": '{}:{service="web"}',
    "title": "[FIRING:1] HighLoad",
}
_GENERIC = {
    "event_id": "load-17",
    "status": "problem",
    "service": "web",
    "name": "High load",
    "severity": 4,
    "value": "7.2",
    "action": "scale_out 1",
    "started_at": "2026-11-22T10:35:28Z",
}

WEBHOOK: dict[str, Any] = {
    "parameters": [
        {
            "name": "source",
            "in": "path",
            "required": True,
            "schema": {"type": "string"},
            "description": "NAME of [gateway.sources.NAME]; its kind says how the body is read.",
        },
        *(
            {"name": name, "in": "header", "schema": {"type": "string"}, "description": text}
            for name, text in {
                "webhook-id": "Standard Webhooks: an id of this message.",
                "webhook-timestamp": "Standard Webhooks: seconds since 1970, of this attempt.",
                "webhook-signature": "Standard Webhooks: `v1,BASE64` over `id.timestamp.body`, HMAC-SHA256.",
            }.items()
        ),
    ],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"type": "object"},
                "examples": {
                    "zabbix": {"summary": "kind = zabbix", "value": _ZABBIX},
                    "alertmanager": {"summary": "kind = alertmanager", "value": _ALERTMANAGER},
                    "grafana": {"summary": "kind = grafana", "value": _GRAFANA},
                    "generic": {"summary": "kind = generic", "value": _GENERIC},
                },
            }
        },
    },
}


def webhook(sources: Sequence[str]) -> dict[str, Any]:
    """Return what the contract says of webhooks, with the names that are configured."""
    source, *others = WEBHOOK["parameters"]
    named = {**source, "schema": {"type": "string", **({"enum": list(sources)} if sources else {})}}
    return {**WEBHOOK, "parameters": [named, *others]}


def response(text: str, decision: str, reason: str) -> dict[str, Any]:
    """Return what the contract says of one status."""
    example = {"decision": decision, "reason": reason}
    if decision == "command":
        ids = {"id": "2c0r8a5v0h4k8m3q1n7t6z9w5e", "correlation_id": "6k1x3p9d7f2s8b4g0j5m1r7v3c"}
        example = ids | example
    return {
        "description": text,
        "content": {"application/json": {"schema": _ANSWER, "example": example}},
    }


RESPONSES: dict[int | str, dict[str, Any]] = {
    202: response("Stored, with what it became.", "command", "the trigger says scale_out 1"),
    400: response("The body is not what the source's kind says.", "refused", "webhook: Expected `str`"),
    401: response("Not proven to come from the source.", "refused", "header webhook-signature is missing"),
    404: response("No such source.", "refused", "no such source"),
    408: response("The body came too slowly.", "refused", "the body took longer than 10 s"),
    413: response("The body is too large.", "refused", "the body is larger than gateway.max_body"),
    415: response("Not JSON in UTF-8.", "refused", "header content-type is missing: send application/json"),
    429: response(
        "Too often; Retry-After says when. (kinds alertmanager and grafana: 503)",
        "unavailable",
        "passes its rate",
    ),
    503: response("Not stored: send it again.", "unavailable", "not stored: NATS is away"),
}
"""FastAPI would promise a 422 that never comes: the body is not its to check."""

PING: dict[str, Any] = {
    "parameters": [
        {"name": name, "in": where, "required": True, "schema": {"type": "string"}, "description": text}
        for name, where, text in (
            ("service", "path", "NAME of [services.NAME]."),
            ("instance", "path", "Its name, or the name of its host in Zabbix."),
            ("authorization", "header", "`Bearer TOKEN`, one of those in gateway.ping_token_file."),
        )
    ]
}
PING_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "1: its courier says that it runs. 0: it says that it does not, or says nothing.",
        "content": {"text/plain": {"schema": {"type": "string", "enum": ["1", "0"]}}},
    },
    400: response("No such name is possible.", "refused", "instance name 'a b': use 1 to 128 of A-Z, …"),
    401: response("Without the token.", "refused", "header authorization is missing"),
    404: response("No such service, or nobody may ping.", "refused", "set gateway.ping_token_file"),
    429: response("Too often; Retry-After says when.", "unavailable", "more than 500 pings a second"),
    503: response(
        "Nobody could be asked: it says nothing about the instance.", "unavailable", "not connected to NATS"
    ),
}
