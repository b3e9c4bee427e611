"""Webhooks of kind `generic`: one JSON object, for the embedded backend and for your own scripts.

    {"event_id": "2026-11-22-1", "status": "problem", "service": "web", "name": "High load", "severity": 4,
     "tags": {"team": "shop"}, "value": 7.2, "action": "scale_out 1", "step": "1",
     "started_at": "2026-11-22T15:00:00Z", "url": "https://…"}

Only `event_id` and `status` are required. A recovery repeats the `event_id` of its problem. To act again
while a problem stays open, send it again with another `step`.
"""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from concierge_backends import trigger
from concierge_proto import codec, messages, subjects

Short = Annotated[str, msgspec.Meta(max_length=256)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class Webhook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The body."""

    event_id: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    status: Literal["problem", "resolved"]
    service: str = ""
    name: Short = ""
    severity: Annotated[int, msgspec.Meta(ge=0, le=5)] = 0
    tags: dict[str, str] = {}
    value: int | float | str = ""
    action: Short = ""
    step: Short | int = ""
    started_at: Moment | None = None
    url: str = ""


def read(body: bytes, source: str, received_at: datetime) -> list[messages.Trigger]:
    """Return the one trigger; raise Malformed with the field."""
    found = codec.decode(Webhook, body)
    if found.service:
        subjects.name(found.service)
    return [
        trigger.make(
            source,
            found.event_id,
            found.status,
            str(found.step),
            service=found.service,
            name=found.name,
            severity=found.severity,
            tags=found.tags,
            value=str(found.value),
            action=found.action,
            url=found.url,
            started_at=found.started_at,
            received_at=received_at,
        ),
    ]
