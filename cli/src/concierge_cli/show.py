"""How an event looks to people: one line, the same words everywhere."""

from datetime import datetime

from rich.text import Text

from concierge_proto import bus, messages
from concierge_proto.bus import journal

_STYLES = {
    "trigger": "yellow",
    "decision": "cyan",
    "outcome": "green",
    "instance": "blue",
    "control": "magenta",
    "deadletter": "red",
}


def line(delivery: bus.Delivery, since: datetime | None = None) -> Text:
    """Return one line; `since`: write the time as seconds after it."""
    at = delivery.stored_at
    when = f"{(at - since).total_seconds():+9.3f}s" if since else at.astimezone().strftime("%H:%M:%S.%f")[:-3]
    event = journal.read(delivery)
    text = Text(f"{when}  ")
    text.append(f"{journal.kind(delivery):<10}", style=_STYLES.get(journal.kind(delivery), ""))
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
    what = f"{event.verb}," if event.verb else f"{event.before} → {event.after}"
    return f"{event.service}: {what} {event.result} in {event.duration_ms} ms{names}{detail}"
