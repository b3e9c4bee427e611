"""`concierge hold` and `concierge release`: an operator's stop on a service, and its end."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from concierge_cli import order, output
from concierge_proto import errors, settings

_DIRECTIONS = ("both", "in", "out")
_LONGEST = settings.Duration.parse("7d")


def hold(
    context: typer.Context,
    service: Annotated[str, typer.Argument(help="As it is called in the configuration.")],
    direction: Annotated[str, typer.Option(help=f"What to stop: {', '.join(_DIRECTIONS)}.")] = "both",
    length: Annotated[str, typer.Option("--for", help="How long, at most 7d.")] = "1h",
    reason: Annotated[str, typer.Option(help="Why; it stands in the audit log.")] = "",
    json: output.Json = False,
) -> None:
    """Stop Concierge from scaling a service for a while. What comes meanwhile waits; a running change is finished.

    concierge hold web --direction in --for 2h --reason "stock-taking"

    Your own `concierge scale` still works.
    """
    arguments = {"direction": chosen(direction), "until": until(length).isoformat()}
    asked = order.command(context.obj.load(), service, "hold", reason, arguments=arguments)
    raise typer.Exit(asyncio.run(order.give(context.obj, asked, "30s", wait=True, json=json)))


def release(
    context: typer.Context,
    service: Annotated[str, typer.Argument(help="As it is called in the configuration.")],
    reason: Annotated[str, typer.Option(help="Why; it stands in the audit log.")] = "",
    json: output.Json = False,
) -> None:
    """End a hold, or the pause after somebody else's change: what waited is taken up at once."""
    asked = order.command(context.obj.load(), service, "lift", reason)
    raise typer.Exit(asyncio.run(order.give(context.obj, asked, "30s", wait=True, json=json)))


def chosen(direction: str) -> str:
    """Return a direction that is one; raise Malformed."""
    if direction in _DIRECTIONS:
        return direction
    raise errors.Malformed(f"--direction {direction}: there is {', '.join(_DIRECTIONS)}")


def until(length: str) -> datetime:
    """Return when a hold of that length ends; raise Malformed: a hold without an end is a fault for somebody else."""
    try:
        seconds = settings.Duration.parse(length)
    except ValueError as error:
        raise errors.Malformed(f"--for: {error}") from None
    if not 0 < seconds <= _LONGEST:
        raise errors.Malformed(f"--for {length}: between 1s and 7d; set it again when it ends")
    return datetime.now(UTC) + timedelta(seconds=seconds)
