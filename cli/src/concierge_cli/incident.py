"""`concierge incident`: the whole chain behind one correlation id."""

import asyncio
from typing import Annotated

import typer

from concierge_cli import events, output, show
from concierge_cli.place import Place
from concierge_proto import bus, errors
from concierge_proto.bus import journal


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
        output.emit(journal.summary(chain))
        return
    first = chain[0].stored_at
    output.console.print(f"incident {journal.correlation(chain[0])}, {first.astimezone():%Y-%m-%d %H:%M:%S}")
    for delivery in chain:
        output.console.print(show.line(delivery, first))
    output.console.print(ending(chain))


async def _chain(place: Place, wanted: str, since: str) -> list[bus.Delivery]:
    async with place.bus() as link:
        return await journal.chain(link, wanted, events.ago(since))


def ending(chain: list[bus.Delivery]) -> str:
    closed = journal.resolved(chain)
    if closed is None:
        return "still open: the metric has not recovered"
    return f"recovered after {(closed.stored_at - chain[0].stored_at).total_seconds():.1f} s"
