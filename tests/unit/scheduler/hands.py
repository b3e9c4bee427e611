"""What the scheduler's unit tests build with: a policy, commands, views, a clock that stands still."""

from datetime import UTC, datetime, timedelta
from typing import Any

from concierge_proto import messages, settings
from concierge_scheduler import decide, state, turn
from concierge_scheduler.targets import port

NOW = datetime(2026, 5, 4, 3, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """Return a moment so many seconds after the tests' beginning."""
    return NOW + timedelta(seconds=seconds)


def policy(**changes: Any) -> settings.Service:
    return settings.Service(**{"target": "shop", "min": 1, "max": 5, **changes})


def command(verb: messages.Verb = "scale_out", amount: int = 1, **changes: Any) -> messages.Command:
    facts: dict[str, Any] = {
        "id": f"{verb}-{amount}",
        "service": "web",
        "target": "shop",
        "verb": verb,
        "amount": amount,
        "problem": "zabbix/1",
        "correlation_id": "incident",
        "issued_at": NOW,
        "expires_at": at(300),
    }
    return messages.Command(**{**facts, **changes})


def view(count: int, heard: int | None = None, **changes: Any) -> decide.View:
    """Return `count` good instances, all heard unless told otherwise."""
    instances = tuple(
        port.Instance(id=f"id{n}", name=f"web-{n}", hostname=f"web-{n}", running=True, healthy=True)
        for n in range(1, count + 1)
    )
    observed = port.Observed(service="web", wanted=count, instances=instances, **changes)
    return decide.View(observed=observed, heard=count if heard is None else heard)


def blank(**changes: Any) -> state.State:
    return state.State(service="web", **changes)


def taken(*commands: messages.Command, start: state.State | None = None) -> state.State:
    """Return the state after these commands came in, with nothing left to say."""
    found = start or blank(count=2)
    for one in commands:
        found = turn.take(policy(), found, one, NOW)
    return heard(found)


def heard(found: state.State) -> state.State:
    """Return the state with its events published."""
    return state.State(**{**{f: getattr(found, f) for f in found.__struct_fields__}, "unsaid": ()})


def said(found: state.State) -> list[tuple[str, str, str]]:
    """Return (command id, verdict, reason) of every decision that waits to be published."""
    events = [state.read(letter) for letter in found.unsaid]
    return [(one.command_id, one.verdict, one.reason) for one in events if isinstance(one, messages.Decision)]


def outcome(
    found: state.State, after: int, result: messages.Result = "converged", now: datetime = NOW
) -> messages.Outcome:
    """Return an outcome of the running change."""
    change = found.running
    assert change
    return messages.Outcome(
        id=f"outcome of {change.id}",
        service="web",
        target="shop",
        result=result,
        before=change.before,
        wanted=change.wanted,
        after=after,
        duration_ms=1,
        command_id=change.command_id,
        correlation_id=change.correlation_id,
        started_at=now,
        at=now,
    )
