"""`concierge incident`: the whole chain behind one correlation id."""

import asyncio
from typing import Annotated

import typer

from concierge_cli import events, output, show
from concierge_cli.place import Place
from concierge_proto import bus, errors, messages, subjects


def incident(
    context: typer.Context,
    correlation_id: Annotated[
        str, typer.Argument(metavar="ID", help="A correlation id, or its beginning; `last` is the newest.")
    ],
    since: Annotated[str, typer.Option(help="How far back to look.")] = "7d",
    json: output.Json = False,
) -> None:
    """Show one incident from the trigger to its end, with times.

    concierge incident last
    """
    chain = asyncio.run(_chain(context.obj, correlation_id, since))
    if not chain:
        raise errors.Permanent(
            f"no incident {correlation_id} within {since}: `concierge events --json` shows the ids"
        )
    if json:
        output.emit(summary(chain))
        return
    first = chain[0].stored_at
    output.console.print(f"incident {show.correlation(chain[0])}, {first.astimezone():%Y-%m-%d %H:%M:%S}")
    for delivery in chain:
        output.console.print(show.line(delivery, first))
    output.console.print(ending(chain))


async def _chain(place: Place, wanted: str, since: str) -> list[bus.Delivery]:
    async with place.bus() as link:
        found = [
            delivery
            async for delivery in link.history("EVENTS", f"{subjects.ROOT}.event.>", since=events.ago(since))
            if show.correlation(delivery)
        ]
    if wanted == "last":
        wanted = next((show.correlation(d) for d in reversed(found) if show.kind(d) == "trigger"), "?")
    chain = [delivery for delivery in found if show.correlation(delivery).startswith(wanted)]
    ids = {show.correlation(delivery) for delivery in chain}
    if len(ids) > 1:
        raise errors.Malformed(f"{wanted} begins {len(ids)} incidents: {', '.join(sorted(ids))}")
    return chain


def summary(chain: list[bus.Delivery]) -> dict[str, object]:
    """Return the incident as one JSON object."""
    return {
        "correlation_id": show.correlation(chain[0]),
        "started_at": chain[0].stored_at,
        "resolved": resolved(chain) is not None,
        "events": [show.record(delivery) for delivery in chain],
    }


def resolved(chain: list[bus.Delivery]) -> bus.Delivery | None:
    """Return the trigger that closed it."""
    for delivery in chain:
        event = show.read(delivery)
        if isinstance(event, messages.Trigger) and event.status == "resolved":
            return delivery
    return None


def ending(chain: list[bus.Delivery]) -> str:
    closed = resolved(chain)
    if closed is None:
        return "still open: the metric has not recovered"
    return f"recovered after {(closed.stored_at - chain[0].stored_at).total_seconds():.1f} s"
