"""`concierge doctor`: what is wrong on the Docker side, and what to do about it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import msgspec
import typer
from rich.text import Text

from concierge_cli import output, status
from concierge_cli.place import Place, with_folders
from concierge_proto import bus, errors, settings
from concierge_proto.bus import access, found, standing
from concierge_scheduler import keeper, state
from concierge_scheduler.targets import registry
from concierge_scheduler.targets.check import Check


def doctor(context: typer.Context, json: output.Json = False) -> None:
    """Look at everything that scaling needs, from this machine: one line a check, with the remedy.

    The bus; of every target the engine, its clock, the compose plugin, the project, swarm manager, images, and who
    holds it; of every service whether it is there, what would stop it from having `max` instances, and whether its
    couriers are heard. Changes nothing.

    Exit code: 0 all is good, 3 something is not.
    """
    found = asyncio.run(_told(context.obj, json=json))
    raise typer.Exit(0 if all(check.good for check in found) else status.DEGRADED)


async def _told(place: Place, *, json: bool) -> list[Check]:
    told = []
    async for check in checks(place, with_folders(place.load(), place.state)):
        told.append(check)
        if json:
            output.emit(check)
        else:
            output.console.print(line(check))
    return told


def line(check: Check) -> Text:
    """Return one check for people."""
    text = Text("good  " if check.good else "BAD   ", style="green" if check.good else "bold red")
    text.append(f"{check.what}: {check.found}", style="default")
    if check.remedy:
        text.append(f"\n      → {check.remedy}", style="yellow")
    return text


async def checks(place: Place, config: settings.Settings) -> AsyncIterator[Check]:
    """Yield every check; without a bus those that need none."""
    from concierge_scheduler.targets import checkup  # noqa: PLC0415 - the others do not wait for Docker's library

    async with contextlib.AsyncExitStack() as stack:
        link = None
        try:
            link = await stack.enter_async_context(place.bus())
            config = await found.merged(link, config)
            yield Check(what="bus", good=True, found=access.shown(place.nats().url))
        except errors.ConciergeError as error:
            yield _bad("bus", str(error), "start it, or `concierge up`; is nats.url right?")
        for name, target in config.targets.items():
            async for check in checkup.look(name, target, config.services):
                yield _named(name, check)
            if link:
                yield _named(name, await _holder(link, name, target))
        if link:
            for service, policy in config.services.items():
                if policy.heard:
                    yield await _heard(link, config, service)


def _named(target: str, check: Check) -> Check:
    return msgspec.structs.replace(check, what=f"target {target}: {check.what}")


async def _holder(link: bus.Bus, name: str, config: settings.Target) -> Check:
    """Look up who holds the lease of the endpoint behind a target."""
    try:
        async with registry.find(config.kind)(name, config, {}, "") as target:
            key = keeper.lease_key(await target.identity())
        entry = await link.store("concierge_leases").get(key)
    except errors.ConciergeError as error:
        return _bad("lease", f"not known: {error}", "put right what is bad above")
    if entry is None:
        return _bad("lease", f"nobody holds {key}", "start `concierge scheduler` or `concierge up`")
    holder = standing.holder(entry.value)
    if holder.target != name:
        remedy = f"one endpoint is one target: give the services of {name} the target {holder.target}"
        return _bad(
            "lease", f"held by {holder.who} as target {holder.target}, so nobody serves {name}", remedy
        )
    return Check(what="lease", good=True, found=f"held by {holder.who}")


async def _heard(link: bus.Bus, config: settings.Settings, service: str) -> Check:
    """Compare who is heard with who runs, by the scheduler's last look."""
    entry = await link.store("concierge_services").get(service)
    count = state.load(entry.value, service).count if entry else None
    heard = len((await standing.heard(link, config)).get(service, ()))
    what, seen = f"service {service}: couriers", f"{heard} of {count or 0} instances are heard"
    if heard >= (count or 0):
        return Check(what=what, good=True, found=seen)
    remedy = "until all are heard it is never scaled in: start couriers in them, or set `heard = false`"
    return _bad(what, seen, remedy)


def _bad(what: str, found: str, remedy: str) -> Check:
    return Check(what=what, good=False, found=found, remedy=remedy)
