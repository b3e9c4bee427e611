"""An operator's own command: stored, then watched until it is settled."""

import asyncio
import getpass
import os
import sys
from datetime import UTC, datetime, timedelta

from concierge_cli import output, show
from concierge_cli.place import Place
from concierge_proto import bus, errors, messages, settings, subjects
from concierge_proto.bus import journal, orders


def command(config: settings.Settings, service: str, order: orders.Order, reason: str) -> messages.Command:
    """Return a new command of the operator who asks; raise Malformed for an unknown service."""
    owner = os.environ.get("SUDO_USER") or getpass.getuser()
    return orders.command(config, service, order, owner=owner, reason=reason)


async def give(place: Place, command: messages.Command, timeout: str, *, wait: bool, json: bool) -> int:
    """Store a command and wait for what becomes of it; return the exit code."""
    try:
        patience = settings.Duration.parse(timeout)
    except ValueError as error:
        raise errors.Malformed(f"--timeout: {error}") from None
    async with place.bus() as link:
        before = datetime.now(UTC) - timedelta(seconds=1)
        await orders.store(link, command)
        if not wait:
            _tell(command, json=json)
            return 0
        try:
            async with asyncio.timeout(patience):
                return await _watch(link, command, before, json=json)
        except TimeoutError:
            said = (
                f"no outcome within {timeout}: `concierge events` shows what happens; does a scheduler run?"
            )
            sys.stderr.write(f"concierge: {said}\n")
            return 3


async def _watch(link: bus.Bus, command: messages.Command, since: datetime, *, json: bool) -> int:
    stream = link.history("EVENTS", f"{subjects.ROOT}.event.{command.service}.*", since=since, follow=True)
    async for delivery in stream:
        if journal.correlation(delivery) != command.correlation_id:
            continue
        if json:
            output.emit(journal.record(delivery))
        else:
            output.console.print(show.line(delivery))
        code = verdict(journal.read(delivery))
        if code is not None:
            return code
    return 3


def verdict(event: messages.Event | None) -> int | None:
    """Return the exit code that an event settles; None: go on waiting."""
    match event:
        case messages.Outcome(result="converged" | "dry_run") | messages.Decision(verdict="nothing"):
            return 0
        case messages.Outcome() | messages.Decision(verdict="refuse"):
            return 1
    return None


def _tell(command: messages.Command, *, json: bool) -> None:
    if json:
        output.emit({"command_id": command.id, "correlation_id": command.correlation_id})
    else:
        output.console.print(
            f"stored as {command.id}; `concierge incident {command.correlation_id}` follows it"
        )
