"""`concierge scale`: an operator's own command, waited for until Docker shows its effect."""

import asyncio
import re
from typing import Annotated

import typer

from concierge_cli import order, output
from concierge_proto import errors, messages, settings
from concierge_proto.bus import orders

_COUNT = re.compile(r"([+-]?)(\d+)")
_VERBS: dict[str, messages.Verb] = {"": "scale_to", "+": "scale_out", "-": "scale_in"}


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
    asked = command(context.obj.known(), service, count, reason)
    raise typer.Exit(asyncio.run(order.give(context.obj, asked, timeout, wait=wait, json=json)))


def command(config: settings.Settings, service: str, count: str, reason: str) -> messages.Command:
    """Return the command; raise Malformed where it makes no sense."""
    match = _COUNT.fullmatch(count)
    if not match:
        raise errors.Malformed(f"count {count!r}: write 3, +1 or -1")
    return order.command(config, service, orders.Order(_VERBS[match[1]], int(match[2])), reason)
