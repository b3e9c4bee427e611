"""Everything that must be right with a target, looked at one after the other: what `concierge doctor` prints."""

import re
from collections.abc import AsyncIterator, Awaitable, Mapping
from datetime import UTC, datetime

import msgspec

from concierge_proto import errors, settings
from concierge_scheduler.targets import docker, port, registry
from concierge_scheduler.targets.check import Check

OLDEST = (2, 20)
"""The compose plugin that knows all we ask of it."""
SKEW = 5.0
"""Seconds that the engine's clock may be off: events of both are compared."""


class _Info(msgspec.Struct, frozen=True, rename="pascal"):
    server_version: str = ""
    system_time: datetime | None = None


class _Image(msgspec.Struct, frozen=True):
    image: str = ""


class _File(msgspec.Struct, frozen=True):
    name: str
    services: dict[str, _Image] = {}


async def look(
    name: str, config: settings.Target, services: Mapping[str, settings.Service]
) -> AsyncIterator[Check]:
    """Yield what was found; an engine that does not answer is asked nothing more."""
    mine = {service: policy for service, policy in services.items() if policy.target == name}
    if config.kind != "process":
        client = docker.Client(name, config, mine)
        engine = await tried("engine", _engine(client))
        yield engine
        if not engine.good:
            return
        yield await tried("clock", _clock(client))
    if config.kind == "compose":
        async for check in _compose(client, config):
            yield check
            if not check.good and check.what in {"compose plugin", "project"}:
                return
    async with registry.find(config.kind)(name, config, mine, "") as target:
        if config.kind == "swarm":
            yield await tried("manager", target.identity())
        for service, policy in mine.items():
            yield await tried(f"service {service}", _service(target, service, policy))


async def tried(what: str, check: Awaitable[str]) -> Check:
    """Return the check with what it found; a complaint's part behind the last `;` is its remedy."""
    try:
        return Check(what=what, good=True, found=await check)
    except errors.ConciergeError as error:
        found, _, remedy = str(error).rpartition("; ")
        return Check(what=what, good=False, found=found or remedy, remedy=remedy if found else "")


async def _engine(client: docker.Client) -> str:
    info = client.decode(_Info, await client.run("info", "--format", "{{json .}}"))
    if not info.server_version:  # the client answers alone, and complains on stderr
        raise errors.Temporary("the engine does not answer; is it running, and is the target's `host` right?")
    return f"Docker {info.server_version}"


async def _clock(client: docker.Client) -> str:
    began = datetime.now(UTC)
    info = client.decode(_Info, await client.run("info", "--format", "{{json .}}"))
    if info.system_time is None:
        return "the engine does not tell its time"
    ended = datetime.now(UTC)
    off = max((began - info.system_time).total_seconds(), (info.system_time - ended).total_seconds(), 0.0)
    if off > SKEW:
        raise errors.Permanent(f"the engine's clock is {off:.0f} s off; run a time service on both machines")
    return f"within {max(off, 0.1):.1f} s of ours"


async def _compose(client: docker.Client, config: settings.Target) -> AsyncIterator[Check]:
    yield await tried("compose plugin", _plugin(client))
    files: list[_File] = []
    yield await tried("project", _project(client, config, files))
    for file in files:
        for ours, theirs in client.names.items():
            if theirs in file.services:
                yield await tried(f"image of {ours}", _image(client, file, theirs))


async def _plugin(client: docker.Client) -> str:
    said = await client.run("compose", "version", "--short")
    found = re.search(r"(\d+)\.(\d+)", said)
    if not found:
        raise errors.Permanent(f"cannot read its version {said!r}; install the compose plugin, 2.20 or newer")
    if (int(found[1]), int(found[2])) < OLDEST:
        raise errors.Permanent(f"it is {said}; install the compose plugin, 2.20 or newer")
    return said


async def _project(client: docker.Client, config: settings.Target, files: list[_File]) -> str:
    """Read the project's file, and put it into `files`."""
    file = client.decode(_File, await client.compose("config", "--format", "json"))
    files.append(file)
    return f"{config.project or file.name}, with {', '.join(file.services) or 'no service'}"


async def _image(client: docker.Client, file: _File, service: str) -> str:
    name = file.services[service].image or f"{file.name}-{service}"
    answer = await client.look("image", "inspect", "--format", "{{.Id}}", name)
    if answer.code:
        raise errors.Permanent(
            f"{name} is not on the engine, and scaling never pulls; build or pull it first"
        )
    return name


async def _service(target: port.Target, service: str, policy: settings.Service) -> str:
    obstacle = await target.why_not(service, policy.max)
    if obstacle:
        raise errors.Permanent("; ".join(obstacle.rsplit(": ", 1)))
    seen = (await target.read()).get(service)
    running = sum(1 for one in seen.instances if one.running) if seen else 0
    return f"{running} run, {policy.min} to {policy.max} are allowed"
