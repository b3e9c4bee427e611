"""`concierge status`: what runs, what is wrong, what was done last."""

import asyncio

import msgspec
import typer
from rich.text import Text

from concierge_cli import output, show
from concierge_cli.place import Place
from concierge_proto.bus import found, standing

DEGRADED = 3
"""Exit code when a target has no holder, or a service has too few instances."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One service, as the bus knows it."""

    service: str
    target: str
    kind: str
    min: int
    max: int
    scheduler: bool
    """Somebody holds the target, so commands are executed."""
    heard: tuple[str, ...]
    """Instances whose heartbeat is fresh and says 1."""
    last_decision: str = ""
    last_outcome: str = ""
    last_trigger: str = ""
    state: dict[str, object] = {}
    """The scheduler's document: open problems, hold, running change, cooldown stamps."""

    @property
    def good(self) -> bool:
        return self.scheduler and (not self.heard or len(self.heard) >= self.min)


def status(context: typer.Context, json: output.Json = False) -> None:
    """Show every service: instances, problems, the last decision and outcome.

    Exit code: 0 good, 3 degraded.
    """
    rows = asyncio.run(_rows(context.obj))
    if json:
        for row in rows:
            output.emit(row)
    else:
        for row in rows:
            output.console.print(page(row))
    raise typer.Exit(0 if all(row.good for row in rows) else DEGRADED)


async def _rows(place: Place) -> list[Row]:
    async with place.bus() as link:
        config = await found.merged(link, place.load())
        heard = await standing.heard(link, config)
        lines = {key: str(show.line(event)) for key, event in (await standing.latest(link)).items()}
        held = await standing.targets_held(link)
        return [
            Row(
                service=name,
                target=service.target,
                kind=config.targets[service.target].kind,
                min=service.min,
                max=service.max,
                scheduler=service.target in held,
                heard=heard.get(name, ()),
                last_decision=lines.get((name, "decision"), ""),
                last_outcome=lines.get((name, "outcome"), ""),
                last_trigger=lines.get((name, "trigger"), ""),
                state=await standing.document(link, name),
            )
            for name, service in config.services.items()
        ]


def page(row: Row) -> Text:
    """Return one service for people: what runs, and what was said last, oldest first."""
    where = f"{row.target} ({row.kind})" if row.scheduler else f"{row.target} ({row.kind}, no scheduler runs)"
    heard = f"{len(row.heard)} heard: {', '.join(row.heard)}" if row.heard else "none heard"
    text = Text()
    text.append(row.service, style="bold" if row.good else "bold red")
    text.append(f" on {where}, {row.min} to {row.max} instances, {heard}")
    if row.state.get("obstacle"):
        text.append(f"\n  can't have {row.max} instances: {row.state['obstacle']}", style="red")
    for line in sorted(filter(None, (row.last_trigger, row.last_decision, row.last_outcome))) or [
        "nothing yet"
    ]:
        text.append(f"\n  {line}")
    return text
