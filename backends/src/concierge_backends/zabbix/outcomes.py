"""What became of a command, as values of the service's host. Pure."""

from datetime import datetime, timedelta

from concierge_backends import port
from concierge_backends.zabbix import packets
from concierge_proto import messages

WANTED, OUTCOME, REACTION = "service.wanted", "service.outcome", "service.reaction"


def rows(host: str, report: port.Report) -> list[packets.Row]:
    """Return what the service's host has items for, each with the time at which it was so."""
    event = report.event
    if isinstance(event, messages.Outcome):
        return _ended(host, event, report.command)
    if isinstance(event, messages.Decision) and event.verdict == "act" and event.wanted is not None:
        return [packets.row(host, WANTED, event.wanted, nanoseconds(event.at))]
    return []


def reaction(outcome: messages.Outcome, command: messages.Command | None) -> float | None:
    """Return the seconds from the webhook to convergence; None where there was no webhook, or no convergence."""
    if outcome.result != "converged" or command is None or not command.problem:
        return None
    converged = outcome.started_at + timedelta(milliseconds=outcome.duration_ms)
    return max(0.0, (converged - command.issued_at).total_seconds())


def words(outcome: messages.Outcome) -> str:
    """Say it in a line, e.g. `converged: 1 → 2 in 0.4 s`."""
    said = f"{outcome.result}: {outcome.before} → {outcome.wanted} in {outcome.duration_ms / 1000:.1f} s"
    if outcome.after != outcome.wanted:
        said += f", {outcome.after} run"
    return f"{said}: {outcome.detail}" if outcome.detail else said


def nanoseconds(at: datetime) -> int:
    return int(at.timestamp()) * 1_000_000_000 + at.microsecond * 1000


def _ended(host: str, outcome: messages.Outcome, command: messages.Command | None) -> list[packets.Row]:
    now, seconds = nanoseconds(outcome.at), reaction(outcome, command)
    found = [
        packets.row(host, WANTED, outcome.wanted, now),
        packets.row(host, OUTCOME, words(outcome), now),
    ]
    return found if seconds is None else [*found, packets.row(host, REACTION, round(seconds, 3), now)]
