"""The comment on a problem: what Concierge made of it, written once however often it is told."""

import logging
from typing import Any, NamedTuple

from concierge_backends import port
from concierge_backends.zabbix import api, outcomes
from concierge_proto import messages, settings

LONGEST = 2048
"""Characters of a comment."""
MESSAGE = 4
"""`event.acknowledge`: only add a message."""
SIGN = "[concierge "
"""How the end of each of our comments begins."""
SILENT = frozenset({"release", "hold", "lift"})
"""Verbs that no problem waits for."""
PASSING = frozenset({"changing", "merged"})
"""Reasons to wait that are over with the change that runs, of which the next comment tells."""

log = logging.getLogger(__name__)


class Comment(NamedTuple):
    """What is said, and the mark by which it is found again when the message comes twice."""

    head: str
    detail: str
    mark: str
    repeats: bool = False
    """Said again even right after one with the same head; else steps at a limit would fill the page."""

    @property
    def text(self) -> str:
        said = f"{self.head}: {self.detail}" if self.detail else self.head
        return f"{said[: LONGEST - len(self.mark) - 1]} {self.mark}"


def about(report: port.Report, config: settings.Settings) -> str:
    """Return the id of the event in Zabbix that asked for it; "" when none did."""
    problem = report.command.problem if report.command else ""
    if isinstance(report.event, messages.Trigger):
        problem = report.event.problem
    source, _, event_id = problem.partition("/")
    found = config.gateway.sources.get(source)
    return event_id if found and found.kind == "zabbix" and event_id.isdecimal() else ""


def comment(report: port.Report) -> Comment | None:
    """Return who did what, from where to where, how long it took, or why not; None: nothing is to be said."""
    event, command = report.event, report.command
    if isinstance(event, messages.Trigger):
        return Comment(f"Concierge does nothing: {event.verdict}", event.detail, _mark("trigger", event.id))
    if command is None or command.verb in SILENT:
        return None
    if isinstance(event, messages.Outcome):
        return _ended(event, command)
    if event.verdict == "act" or event.reason in PASSING:
        return None
    what = "waits" if event.verdict == "wait" else "was not done"
    head = f"Concierge: {_asked(command)} for {event.service} {what}: {event.reason}"
    return Comment(head, event.detail, _mark("decision", event.id))


async def write(door: api.Api, event_id: str, said: Comment) -> None:
    """Write it, unless it stands there. Raises Temporary, Permanent."""
    wanted = {"eventids": [event_id], "output": ["eventid"], "selectAcknowledges": "extend"}
    if not door.seven:
        wanted["select_acknowledges"] = wanted.pop("selectAcknowledges")
    found = await door.call("event.get", wanted)
    if not found:
        log.warning("event %s: no comment: it is gone, or the token's user may not read its host", event_id)
    elif not stands(found[0]["acknowledges"], said):
        await door.call(
            "event.acknowledge", {"eventids": [event_id], "action": MESSAGE, "message": said.text}
        )


def stands(written: list[dict[str, Any]], said: Comment) -> bool:
    """Whether this very comment was written before, or the last of ours says the same."""
    ours = [one for one in written if SIGN in one["message"]]
    if any(one["message"].endswith(said.mark) for one in ours):
        return True
    last = max(ours, key=lambda one: int(one["acknowledgeid"]), default=None)
    return bool(last and not said.repeats and last["message"].startswith(said.head))


def _ended(outcome: messages.Outcome, command: messages.Command) -> Comment:
    seconds = outcomes.reaction(outcome, command)
    details = [outcomes.words(outcome)]
    if seconds is not None:
        details.append(f"{seconds:.1f} s after the webhook")
    details += [f"came: {', '.join(outcome.added)}"] if outcome.added else []
    details += [f"went: {', '.join(outcome.removed)}"] if outcome.removed else []
    details.append(f"{command.owner} asked for {_asked(command)}")
    head = f"Concierge: {outcome.service} on {outcome.target}"
    return Comment(head, "; ".join(details), _mark("outcome", outcome.id), repeats=True)


def _asked(command: messages.Command) -> str:
    return f"{command.verb} {command.amount}" if command.amount else command.verb


def _mark(kind: str, event: str) -> str:
    return f"{SIGN}{kind} {event[:16]}]"
