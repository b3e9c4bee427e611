"""`concierge status`: what runs, what is wrong, what was done last."""

import asyncio
from datetime import UTC, datetime

import msgspec
import typer
from rich.text import Text

from concierge_cli import output, show
from concierge_cli.place import Place
from concierge_proto import bus, messages, settings, subjects

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
    """Somebody holds a target of this kind, so commands are executed."""
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
    config = place.load()
    async with place.bus() as link:
        heard = await heard_of(link, config)
        events = await _latest(link)
        leases = await link.store("concierge_leases").keys()
        documents = link.store("concierge_services")
        return [
            Row(
                service=name,
                target=service.target,
                kind=config.targets[service.target].kind,
                min=service.min,
                max=service.max,
                scheduler=any(key.startswith(f"{config.targets[service.target].kind}/") for key in leases),
                heard=heard.get(name, ()),
                last_decision=events.get((name, "decision"), ""),
                last_outcome=events.get((name, "outcome"), ""),
                last_trigger=events.get((name, "trigger"), ""),
                state=_document(await documents.get(name)),
            )
            for name, service in config.services.items()
        ]


async def heard_of(link: bus.Bus, config: settings.Settings) -> dict[str, tuple[str, ...]]:
    """Return the instances of each service whose heartbeat is fresh and says 1."""
    found: dict[str, tuple[str, ...]] = {}
    now = datetime.now(UTC)
    async for delivery in link.history("PRESENCE", f"{subjects.ROOT}.heartbeat.*.*", latest=True):
        if delivery.is_marker:
            continue
        beat = delivery.read(messages.Heartbeat)
        service = config.services.get(beat.service)
        fresh = service and (now - delivery.stored_at).total_seconds() < service.fresh
        if beat.state and fresh:
            found[beat.service] = (*found.get(beat.service, ()), beat.instance)
    return found


async def _latest(link: bus.Bus) -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    async for delivery in link.history("EVENTS", f"{subjects.ROOT}.event.*.*", latest=True):
        found[delivery.subject.split(".")[3], show.kind(delivery)] = str(show.line(delivery))
    return found


def _document(entry: bus.Entry | None) -> dict[str, object]:
    return msgspec.json.decode(entry.value, type=dict[str, object]) if entry else {}


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
