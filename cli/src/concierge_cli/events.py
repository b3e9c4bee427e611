"""`concierge events`: what happened, and what happens."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import typer

from concierge_cli import output, show
from concierge_cli.place import Place
from concierge_proto import errors, settings, subjects
from concierge_proto.bus import journal


def events(
    context: typer.Context,
    service: Annotated[str, typer.Option(help="Only this service's.")] = "*",
    kind: Annotated[str, typer.Option(help=f"Only these: {', '.join(journal.KINDS)}.")] = "*",
    since: Annotated[str, typer.Option(help="How far back: 30s, 15m, 24h, 7d.")] = "1h",
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on as they come; Ctrl-C ends it.")
    ] = False,
    json: output.Json = False,
) -> None:
    """Show the audit log: triggers, decisions, outcomes, instances.

    concierge events --follow

    concierge events --since 24h --service web --kind outcome --json
    """
    if kind != "*" and kind not in journal.KINDS:
        raise errors.Malformed(f"--kind {kind}: there is only {', '.join(journal.KINDS)}")
    asyncio.run(_events(context.obj, service, kind, ago(since), follow=follow, json=json))


def ago(text: str) -> datetime:
    """Return the time that long ago; raise Malformed."""
    try:
        return datetime.fromtimestamp(datetime.now(UTC).timestamp() - settings.Duration.parse(text), UTC)
    except (ValueError, OverflowError) as error:
        raise errors.Malformed(f"--since: {error}") from None


async def _events(
    place: Place, service: str, kind: str, since: datetime, *, follow: bool, json: bool
) -> None:
    if service != "*":
        subjects.event(service, "trigger")
    async with place.bus() as link:
        async for delivery in link.history(
            "EVENTS", f"{subjects.ROOT}.event.{service}.{kind}", since=since, follow=follow
        ):
            if json:
                output.emit(journal.record(delivery))
            else:
                output.console.print(show.line(delivery))
