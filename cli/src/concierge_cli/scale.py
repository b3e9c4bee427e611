"""`concierge scale`: an operator's own command, waited for until Docker shows its effect."""

import asyncio
import getpass
import os
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import typer

from concierge_cli import output, show
from concierge_cli.place import Place
from concierge_proto import bus, errors, identity, messages, settings, subjects

_ORDER = re.compile(r"([+-]?)(\d+)")
_LIFE = timedelta(minutes=5)


def scale(
    context: typer.Context,
    service: Annotated[str, typer.Argument(help="As it is called in the configuration.")],
    count: Annotated[str, typer.Argument(help="How many (3), how many more (+1), how many less (-1).")],
    reason: Annotated[str, typer.Option(help="Why; it stands in the audit log.")] = "",
    wait: Annotated[bool, typer.Option(help="Wait for the outcome.")] = True,
    timeout: Annotated[str, typer.Option(help="How long to wait.")] = "3m",
    json: output.Json = False,
) -> None:
    """Scale a service by hand, within its bounds. Passes cooldowns; cuts no running change off.

    concierge scale web +1 --reason "sale starts at nine"

    Exit code: 0 converged or nothing to do, 1 refused or failed, 2 usage, 3 no outcome in time.
    """
    code = asyncio.run(
        _scale(context.obj, order(context.obj.load(), service, count, reason), timeout, wait=wait, json=json)
    )
    raise typer.Exit(code)


def order(config: settings.Settings, service: str, count: str, reason: str) -> messages.Command:
    """Return the command; raise Malformed where it makes no sense."""
    if service not in config.services:
        raise errors.Malformed(
            f"no service {service!r}: the configuration has {', '.join(config.services) or 'none'}"
        )
    match = _ORDER.fullmatch(count)
    if not match:
        raise errors.Malformed(f"count {count!r}: write 3, +1 or -1")
    verbs: dict[str, Literal["scale_to", "scale_out", "scale_in"]] = {
        "": "scale_to",
        "+": "scale_out",
        "-": "scale_in",
    }
    now = datetime.now(UTC)
    return messages.Command(
        id=identity.mint(),
        service=service,
        target=config.services[service].target,
        verb=verbs[match[1]],
        amount=int(match[2]),
        correlation_id=identity.mint(),
        manual=True,
        reason=reason,
        owner=os.environ.get("SUDO_USER") or getpass.getuser(),
        issued_at=now,
        expires_at=now + _LIFE,
    )


async def _scale(place: Place, command: messages.Command, timeout: str, *, wait: bool, json: bool) -> int:
    async with place.bus() as link:
        message = link.pack(
            subjects.command(command.target, command.service),
            command,
            id=command.id,
            correlation_id=command.correlation_id,
            expires_at=command.expires_at,
        )
        before = datetime.now(UTC) - timedelta(seconds=1)
        await link.publish(message)
        if not wait:
            _tell(command, json=json)
            return 0
        try:
            async with asyncio.timeout(settings.Duration.parse(timeout)):
                return await _watch(link, command, before, json=json)
        except TimeoutError:
            raise errors.Temporary(
                f"no outcome within {timeout}: `concierge events` shows what happens; does a scheduler run?"
            ) from None


async def _watch(link: bus.Bus, command: messages.Command, since: datetime, *, json: bool) -> int:
    stream = link.history("EVENTS", f"{subjects.ROOT}.event.{command.service}.*", since=since, follow=True)
    async for delivery in stream:
        if show.correlation(delivery) != command.correlation_id:
            continue
        if json:
            output.emit(show.record(delivery))
        else:
            output.console.print(show.line(delivery))
        code = verdict(show.read(delivery))
        if code is not None:
            return code
    return 3


def verdict(event: messages.Event | None) -> int | None:
    """Return the exit code that an event settles; None: go on waiting."""
    match event:
        case messages.Outcome(result="converged") | messages.Decision(verdict="nothing"):
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
