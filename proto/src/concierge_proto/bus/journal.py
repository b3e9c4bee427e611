"""The audit log as people and programs read it: events, and the chain of one incident."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from concierge_proto import bus, errors, messages, subjects

KINDS: dict[str, type[messages.Event]] = {
    "trigger": messages.Trigger,
    "decision": messages.Decision,
    "outcome": messages.Outcome,
    "instance": messages.InstanceChange,
    "control": messages.Control,
    "deadletter": messages.DeadLetter,
}


def kind(delivery: bus.Delivery) -> str:
    return delivery.subject.rpartition(".")[2]


def read(delivery: bus.Delivery) -> messages.Event | None:
    """Return the event, or None where this version does not know it."""
    try:
        return delivery.read(KINDS[kind(delivery)])
    except (KeyError, errors.Malformed):
        return None


def record(delivery: bus.Delivery) -> dict[str, object]:
    """Return an event as one JSON object: what it is, when, which incident, and its body."""
    return {
        "kind": kind(delivery),
        "time": delivery.stored_at,
        "sequence": delivery.sequence,
        "correlation_id": correlation(delivery),
        **msgspec.json.decode(delivery.body),
    }


def correlation(delivery: bus.Delivery) -> str:
    return delivery.headers.get("ce-correlationid", "")


async def chain(link: bus.Bus, wanted: str, since: datetime) -> list[bus.Delivery]:
    """Return the events of one incident, oldest first.

    Args:
        link: The bus.
        wanted: A correlation id, or the beginning of one; `last` is the newest that a trigger began.
        since: How far back to look.

    Raises:
        Malformed: More than one incident begins like that.
    """
    found = [
        delivery
        async for delivery in link.history("EVENTS", f"{subjects.ROOT}.event.>", since=since)
        if correlation(delivery)
    ]
    if wanted == "last":
        wanted = next((correlation(one) for one in reversed(found) if kind(one) == "trigger"), "?")
    chosen = [delivery for delivery in found if correlation(delivery).startswith(wanted)]
    ids = {correlation(delivery) for delivery in chosen}
    if len(ids) > 1:
        raise errors.Malformed(f"{wanted} begins {len(ids)} incidents: {', '.join(sorted(ids))}")
    return chosen


def summary(events: Sequence[bus.Delivery]) -> dict[str, object]:
    """Return an incident as one JSON object."""
    return {
        "correlation_id": correlation(events[0]),
        "started_at": events[0].stored_at,
        "resolved": resolved(events) is not None,
        "events": [record(delivery) for delivery in events],
    }


def resolved(events: Sequence[bus.Delivery]) -> bus.Delivery | None:
    """Return the trigger that closed an incident."""
    for delivery in events:
        event = read(delivery)
        if isinstance(event, messages.Trigger) and event.status == "resolved":
            return delivery
    return None
