"""A compose project: one `docker ps` shows it, `docker compose up --scale` changes it."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping

import msgspec

from concierge_proto import settings
from concierge_scheduler.targets import docker, port

ENDED = frozenset({"exited", "dead", "removing"})
ILL = ("(unhealthy)", "(health: starting)")
SHORT = 12
"""Characters of its id that a container has for a hostname, unless the file sets one."""


class Row(msgspec.Struct, frozen=True):
    """A line of `docker ps`."""

    id: str
    name: str
    state: str
    status: str
    service: str


ROW = (
    '{"id":{{json .ID}},"name":{{json .Names}},"state":{{json .State}},"status":{{json .Status}},'
    '"service":{{json (.Label "com.docker.compose.service")}}}'
)


class _Port(msgspec.Struct, frozen=True):
    published: str | int = ""


class _Part(msgspec.Struct, frozen=True):
    container_name: str = ""
    hostname: str = ""
    ports: tuple[_Port, ...] = ()


class _File(msgspec.Struct, frozen=True):
    name: str
    services: dict[str, _Part] = {}


class Compose:
    """One project on one engine."""

    def __init__(self, name: str, target: settings.Target, services: Mapping[str, settings.Service]) -> None:
        self.name = name
        self._client = docker.Client(name, target, services)
        self._project = target.project
        self._one_by_one: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def identity(self) -> str:
        engine = await self._client.run("info", "--format", "{{.ID}}")
        return f"compose/{engine.replace(':', '')}/{await self._named()}"

    async def read(self) -> dict[str, port.Observed]:
        """One listing; a configured service without a container is there with none."""
        project = f"label=com.docker.compose.project={await self._named()}"
        once = "label=com.docker.compose.oneoff=False"  # not what `compose run` started
        listing = ("ps", "--all", "--no-trunc", "--filter", project, "--filter", once, "--format", ROW)
        rows = await self._client.rows(Row, *listing)
        return {
            ours: observed(ours, (row for row in rows if row.service == theirs))
            for ours, theirs in self._client.names.items()
        }

    async def scale(self, service: str, count: int, intent: str) -> None:  # noqa: ARG002 - no place for it
        """Name the service and only it: a plain `up` sets all the others back to the file's numbers.

        Two at once on one service, or one after a client that was killed, can end at another number, with
        containers that were created and never start. Called again, it mends that.
        """
        theirs = self._client.called(service)
        async with self._one_by_one[theirs]:
            await self._client.compose(
                *("up", "--detach", "--scale", f"{theirs}={count}", "--no-recreate", "--no-deps"),
                *("--no-build", "--quiet-pull", "--pull", "never", theirs),
            )

    async def why_not(self, service: str) -> str:
        """Return why the service can't have several instances, with the remedy; empty: it can."""
        theirs = self._client.called(service)
        part = (await self._file()).services.get(theirs)
        if part is None:
            return f"{theirs} is no service of the compose file (or of a profile that the target leaves out)"
        return _obstacle(theirs, part)

    async def close(self) -> None:
        await self._client.close()

    async def _named(self) -> str:
        if not self._project:
            self._project = (await self._file()).name
        return self._project

    async def _file(self) -> _File:
        return self._client.decode(_File, await self._client.compose("config", "--format", "json"))


@contextlib.asynccontextmanager
async def open(  # noqa: A001 - the registry's word
    name: str,
    config: settings.Target,
    services: dict[str, settings.Service],
    nats_url: str,  # noqa: ARG001 - containers are told by their own file
) -> AsyncIterator[port.Target]:
    """Give the target for as long as it is needed."""
    target = Compose(name, config, services)
    try:
        yield target
    finally:
        await target.close()


def observed(service: str, rows: Iterable[Row]) -> port.Observed:
    """Return the service as its containers show it; what has ended takes up no room."""
    there = sorted((row for row in rows if row.state not in ENDED), key=lambda row: (len(row.name), row.name))
    instances = tuple(_instance(row) for row in there)
    return port.Observed(service=service, wanted=len(instances), instances=instances)


def _instance(row: Row) -> port.Instance:
    return port.Instance(
        id=row.id,
        name=row.name,
        hostname=row.id[:SHORT],
        running=row.state == "running",
        healthy=not row.status.endswith(ILL),
        detail=row.status,
    )


def _obstacle(name: str, part: _Part) -> str:
    if part.container_name:
        return f"{name} has `container_name: {part.container_name}`, so there can be one only: take it out"
    if part.hostname:
        return f"{name} has `hostname: {part.hostname}`, so its couriers could not be told apart: take it out"
    for published in (str(each.published) for each in part.ports):
        if published and "-" not in published:
            return f"{name} publishes the fixed host port {published}: publish a range of ports, or none"
    return ""
