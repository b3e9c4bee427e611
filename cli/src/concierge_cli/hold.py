"""`concierge hold` and `concierge release`: an operator's stop on a service, and its end."""

import asyncio
from typing import Annotated

import typer

from concierge_cli import order, output
from concierge_proto.bus import orders


def hold(
    context: typer.Context,
    service: Annotated[str, typer.Argument(help="As it is called in the configuration.")],
    direction: Annotated[str, typer.Option(help=f"What to stop: {', '.join(orders.DIRECTIONS)}.")] = "both",
    length: Annotated[str, typer.Option("--for", help="How long, at most 7d.")] = "1h",
    reason: Annotated[str, typer.Option(help="Why; it stands in the audit log.")] = "",
    json: output.Json = False,
) -> None:
    """Stop Concierge from scaling a service for a while. What comes meanwhile waits; a running change is finished.

    concierge hold web --direction in --for 2h --reason "stock-taking"

    Your own `concierge scale` still works.
    """
    asked = order.command(context.obj.known(), service, orders.hold(direction, length), reason)
    raise typer.Exit(asyncio.run(order.give(context.obj, asked, "30s", wait=True, json=json)))


def release(
    context: typer.Context,
    service: Annotated[str, typer.Argument(help="As it is called in the configuration.")],
    reason: Annotated[str, typer.Option(help="Why; it stands in the audit log.")] = "",
    json: output.Json = False,
) -> None:
    """End a hold, or the pause after somebody else's change: what waited is taken up at once."""
    asked = order.command(context.obj.known(), service, orders.Order("lift"), reason)
    raise typer.Exit(asyncio.run(order.give(context.obj, asked, "30s", wait=True, json=json)))
