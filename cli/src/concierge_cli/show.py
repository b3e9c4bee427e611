"""How an event looks to people: one line, the same words everywhere."""

from datetime import datetime

import msgspec
from rich.text import Text

from concierge_proto import bus, errors, messages

KINDS: dict[str, type[messages.Event]] = {
    "trigger": messages.Trigger,
    "decision": messages.Decision,
    "outcome": messages.Outcome,
    "instance": messages.InstanceChange,
    "control": messages.Control,
    "deadletter": messages.DeadLetter,
}

_STYLES = {
    "trigger": "yellow",
    "decision": "cyan",
    "outcome": "green",
    "instance": "blue",
    "control": "magenta",
    "deadletter": "red",
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


def line(delivery: bus.Delivery, since: datetime | None = None) -> Text:
    """Return one line; `since`: write the time as seconds after it."""
    at = delivery.stored_at
    when = f"{(at - since).total_seconds():+9.3f}s" if since else at.astimezone().strftime("%H:%M:%S.%f")[:-3]
    event = read(delivery)
    text = Text(f"{when}  ")
    text.append(f"{kind(delivery):<10}", style=_STYLES.get(kind(delivery), ""))
    text.append(f" {sentence(event) if event else delivery.body.decode('utf-8', 'replace')}")
    return text


def sentence(event: messages.Event) -> str:
    match event:
        case messages.Trigger():
            return _trigger(event)
        case messages.Decision():
            return _decision(event)
        case messages.Outcome():
            return _outcome(event)
        case messages.InstanceChange():
            ending = f" ({event.reason})" if event.reason else ""
            return f"{event.service}: {event.instance} {event.change}{ending}"
        case messages.Control():
            return f"{event.service}: {event.what} {event.detail}".rstrip()
        case messages.DeadLetter():
            return f"{event.subject}: {event.reason}"


def _trigger(event: messages.Trigger) -> str:
    state = "PROBLEM" if event.status == "problem" else "RESOLVED"
    value = f", value {event.value}" if event.value else ""
    answer = f" → {_answer(event)}" if event.verdict else ""
    return f"{event.service or '_'}: {state} {event.name!r} by {event.source}{value}{answer}"


def _answer(event: messages.Trigger) -> str:
    if event.verdict != "command":
        return event.verdict
    return "release" if event.status == "resolved" else event.action or event.verdict


def _decision(event: messages.Decision) -> str:
    change = f" {event.before} → {event.wanted}" if event.wanted is not None else ""
    verb = f" {event.command.verb}" if event.command else ""
    detail = f" ({event.detail})" if event.detail else ""
    return f"{event.service}:{verb} {event.verdict}{change}, {event.reason}{detail}"


def _outcome(event: messages.Outcome) -> str:
    names = "".join([*(f" +{name}" for name in event.added), *(f" -{name}" for name in event.removed)])
    detail = f" ({event.detail})" if event.detail else ""
    return f"{event.service}: {event.before} → {event.after} {event.result} in {event.duration_ms} ms{names}{detail}"
