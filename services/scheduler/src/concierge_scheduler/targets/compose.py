"""A compose project: one `docker ps` shows it, `docker compose up --scale` changes it."""

import asyncio
import contextlib
import logging
import math
import re
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping
from datetime import datetime

import msgspec

from concierge_proto import settings
from concierge_scheduler.targets import docker, found, port, preflight

log = logging.getLogger(__name__)

ENDED = frozenset({"exited", "dead", "removing"})
DIED = frozenset({"exited", "dead"})
TOLD = ("Exited (0)", "Exited (143)")
"""How a container ends that was asked to."""
JUST = ("Less than a second ago", " 1 second ago", " 2 seconds ago")
"""When a container ended that may be on the way up again: `docker restart` shows it as ended in between."""
ILL = ("(unhealthy)", "(health: starting)")
ROUND = 5.0
"""Seconds for which the compose file is taken as read."""
SHORT = 12
"""Characters of its id that a container has for a hostname, unless the file sets one."""


class Row(msgspec.Struct, frozen=True):
    """A line of `docker ps`."""

    id: str
    name: str
    state: str
    status: str
    service: str
    number: str = ""
    """Compose's own, from 1; a container that is made in place of another has the other's."""
    replaces: str = ""
    """What this one is or was made in place of; empty when of nothing."""
    age: str = ""
    """Since it was made, in words."""


ROW = (
    '{"id":{{json .ID}},"name":{{json .Names}},"state":{{json .State}},"status":{{json .Status}},'
    '"service":{{json (.Label "com.docker.compose.service")}},'
    '"number":{{json (.Label "com.docker.compose.container-number")}},'
    '"replaces":{{json (.Label "com.docker.compose.replace")}},"age":{{json .RunningFor}}}'
)


class _Started(msgspec.Struct, frozen=True):
    id: str
    at: datetime


STARTED = '{"id":{{json .Id}},"at":{{json .State.StartedAt}}}'


class _File(msgspec.Struct, frozen=True):
    name: str
    services: dict[str, preflight.Part] = {}


class _Engine(msgspec.Struct, frozen=True):
    memory: int = msgspec.field(name="MemTotal")
    cpus: int = msgspec.field(name="NCPU")


class Compose:
    """One project on one engine."""

    whole = False

    def __init__(self, name: str, target: settings.Target, services: Mapping[str, settings.Service]) -> None:
        self.name = name
        self._client = docker.Client(name, target, services)
        self.lasting = self._client.lasting
        self._project = target.project
        self._engine: _Engine | None = None
        self._known: tuple[float, _File] | None = None
        self._written = found.Written(target)
        self._rows: list[Row] = []
        """Of the last listing."""
        self._one_by_one: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def identity(self) -> str:
        engine = await self._client.run("info", "--format", "{{.ID}}")
        return f"compose/{engine.replace(':', '')}/{await self._named()}"

    async def read(self) -> dict[str, port.Observed]:
        """One listing; a configured service without a container is there with none."""
        project = f"label=com.docker.compose.project={await self._named()}"
        once = "label=com.docker.compose.oneoff=False"  # not what `compose run` started
        listing = ("ps", "--all", "--no-trunc", "--filter", project, "--filter", once, "--format", ROW)
        self._rows = await self._client.rows(Row, *listing)
        return {
            ours: observed(ours, [row for row in self._rows if row.service == theirs])
            for ours, theirs in self._client.names.items()
        }

    async def scale(self, service: str, count: int, intent: str) -> None:  # noqa: ARG002 - no place for it
        """Name the service and only it: a plain `up` sets all the others back to the file's numbers.

        Two at once on one service, or one after a client that was killed, can end at another number, with
        containers that were created and never start. Called again, it mends that.
        """
        theirs = self._client.called(service)
        async with self._one_by_one[theirs]:
            await self._clear([row for row in self._rows if row.service == theirs], count)
            await self._client.compose(
                *("up", "--detach", "--scale", f"{theirs}={count}", "--no-recreate", "--no-deps"),
                *("--no-build", "--quiet-pull", "--pull", "never", theirs),
            )

    async def _clear(self, rows: Collection[Row], count: int) -> None:
        """Take away first what is ill and too many: compose would take the highest numbers, and start a dead one."""
        gone = surplus(rows, count)
        if polite := [row.id for row in gone if row.state == "running"]:
            await self._client.call("stop", *polite)
        if gone:
            log.info("%s: taken away, for they are not well: %s", self.name, [row.name for row in gone])
            await self._client.call("rm", "--force", *(row.id for row in gone))

    async def act(self, service: str, deed: port.Deed) -> None:
        """Act on the containers themselves: what is in the file stays, and counts for those that come later."""
        self._client.called(service)
        ids = [one.id for one in deed.instances]
        if deed.verb == "restart" and deed.since:
            ids = await self._older(ids, deed.since)
        if ids:
            await self._client.call(*_words(deed), *ids)

    async def _older(self, ids: list[str], moment: datetime) -> list[str]:
        """Return those that have not been started since; the engine's clock judges."""
        rows = await self._client.rows(_Started, "inspect", "--format", STARTED, *ids)
        return [one.id for one in rows if one.at <= moment]

    async def why_not(self, service: str, most: int) -> str:
        theirs = self._client.called(service)
        part = (await self._recent()).services.get(theirs)
        if part is None:
            return f"{theirs} is no service of the compose file (or of a profile that the target leaves out)"
        room = await self._room()
        return preflight.composed(theirs, part, most) or preflight.fits(theirs, part.need, most, [room])

    def attend(self, names: Mapping[str, str]) -> None:
        self._client.names = dict(names)

    async def labels(self) -> dict[str, dict[str, str]]:
        """As the file says, not the containers: what is scaled to none has a policy too."""
        if await self._written.anew():
            self._known = (time.monotonic(), await self._file())
            self._written.read({name: part.labels for name, part in self._known[1].services.items()})
        return self._written.labels

    async def close(self) -> None:
        await self._client.close()

    async def _named(self) -> str:
        if not self._project:
            self._project = (await self._file()).name
        return self._project

    async def _room(self) -> preflight.Node:
        if self._engine is None:
            self._engine = self._client.decode(
                _Engine, await self._client.run("info", "--format", "{{json .}}")
            )
        return preflight.Node(self._engine.memory, self._engine.cpus * 10**9)

    async def _recent(self) -> _File:
        """Read the file once for a round over all services."""
        if self._known is None or time.monotonic() - self._known[0] > ROUND:
            self._known = (time.monotonic(), await self._file())
        return self._known[1]

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


def observed(service: str, rows: Collection[Row]) -> port.Observed:
    """Return the service as its containers show it; what has ended takes up no room.

    `docker compose up` makes the new container while the old one still stops: that is one instance, not two.
    What ended just now may be restarted by somebody: it is there, and does not run. One that has waited for a minute
    to be started was left by an `up` that was cut off: that is no change which anybody should wait for.
    """
    ended = [row for row in rows if row.state in ENDED and not _just_now(row)]
    there = sorted((row for row in rows if row not in ended), key=lambda row: (len(row.name), row.name))
    firm = {row.number for row in there if not _waits(row)}
    instances = tuple(_instance(row) for row in there if not (_waits(row) and row.number in firm))
    died = sum(1 for row in ended if row.state in DIED and not row.status.startswith(TOLD))
    changing = any(_waits(row) and "second" in row.age for row in there)
    return port.Observed(
        service=service, wanted=len(instances), changing=changing, instances=instances, died=died
    )


def surplus(rows: Collection[Row], count: int) -> list[Row]:
    """Return what is too many for this number and is not well, what has ended first."""
    ill = [row for row in rows if row.state != "removing" and not _well(row)]
    worst = sorted(ill, key=lambda row: row.state not in DIED)
    return worst[: max(0, len(rows) - count)]


def _well(row: Row) -> bool:
    return row.state == "running" and not row.status.endswith(ILL)


def _waits(row: Row) -> bool:
    """Whether it may wait for the end of the container in whose place it was made."""
    return row.state == "created" and bool(row.replaces)


def _just_now(row: Row) -> bool:
    return row.state == "exited" and row.status.endswith(JUST)


def _words(deed: port.Deed) -> list[str]:
    if deed.verb == "restart":
        return ["restart"]
    if deed.verb == "signal":
        return ["kill", "--signal", deed.signal]
    cpus = ["--cpus", f"{deed.cpus:g}"] if deed.cpus else []
    swap = ["--memory-swap", str(2 * deed.memory)]  # what `mem_limit` alone would give; never below memory
    return ["update", *cpus, *(["--memory", str(deed.memory), *swap] if deed.memory else [])]


def _younger_than(status: str) -> float:
    """Read it from `Up 3 seconds (healthy)`; docker says minutes only in round numbers."""
    words = re.match(r"Up (Less than a|\d+) seconds?\b", status)
    if words is None:
        return math.inf
    return float(words[1]) + 1 if words[1].isdigit() else 1.0


def _instance(row: Row) -> port.Instance:
    return port.Instance(
        id=row.id,
        name=row.name,
        hostname=row.id[:SHORT],
        running=row.state == "running",
        healthy=not row.status.endswith(ILL),
        detail=row.status,
        younger_than=_younger_than(row.status),
    )
