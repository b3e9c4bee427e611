"""Value over the threshold → Docker's child started → container runs: by Concierge, and by Zabbix's own remote command.

Both take turns at the same server and the same engine, each with a compose project of its own. Concierge's clock starts
when the value is published to NATS, so its road is the whole one; the rival's when it is sent to the trapper port.
"""

import asyncio
import contextlib
import os
import random
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks import report
from benchmarks.zabbix_lab import engine, house, remote
from concierge_backends.zabbix import api
from concierge_proto import settings
from tests import containers, shop

REPEATS = int(os.environ.get("REPEATS", "100"))
FEWER = 10
"""Times fewer turns on 6.0, which takes seconds for each."""
REST = 1.6
"""Seconds between two values: 7.0 lets a recovery wait for 3 s that comes sooner after its problem."""
JITTER = {"zabbix": 0.4, "zabbix60": 3.0}
"""Seconds: the escalator of 6.0 looks every 3 s, and no turn may keep in step with it."""
P50, P99, RUNS = 60, 300, 1.4

Say = Callable[[float], Awaitable[int]]


class Reaction(NamedTuple):
    """Milliseconds since the value."""

    called: float
    runs: float


class Way:
    """One of the two: who hears the value, and in which project that shows."""

    def __init__(self, docker: engine.Engine, project: str, say: Say, jitter: float) -> None:
        self._docker = docker
        self._project = project
        self._say = say
        self._jitter = jitter
        self._rested = 0.0

    async def out(self) -> Reaction:
        """Say too much load; return how long it took."""
        at_ns = await self._rest_and_say(house.RUSH)
        runs = await self._docker.next(self._project, "start")
        called = self._docker.called(self._project, at_ns)
        return Reaction((called - at_ns) / 1e6, (runs - at_ns) / 1e6)

    async def back(self) -> None:
        """Say too little."""
        await self._rest_and_say(house.QUIET)
        await self._docker.next(self._project, "die")
        if not self._docker.idle(self._project):
            raise RuntimeError(f"project {self._project}: one value, and more than one step")

    async def _rest_and_say(self, load: float) -> int:
        spread = random.uniform(0, self._jitter)  # noqa: S311 - not a secret
        await asyncio.sleep(max(0.0, self._rested - time.monotonic()) + spread)
        self._rested = time.monotonic() + REST
        return await self._say(load)


class Field:
    """Both ways on one server, ready."""

    def __init__(self, ours: Way, rival: Way, outcomes: AsyncIterator[object]) -> None:
        self._ours, self._rival = ours, rival
        self._outcomes = outcomes

    async def turn(self) -> tuple[Reaction, Reaction]:
        """Both out, both back."""
        ours = await self._ours.out()
        await self._settled()
        rival = await self._rival.out()
        await self._ours.back()
        await self._settled()
        await self._rival.back()
        return ours, rival

    async def _settled(self) -> None:
        """Wait until Concierge has proved what it did: before that it begins nothing new."""
        async with asyncio.timeout(30):
            await anext(self._outcomes)


async def measure(room: Path, name: str, count: int) -> list[tuple[Reaction, Reaction]]:
    """Return what `count` turns on one server took."""
    async with _ready(room, name) as field:
        await field.turn()
        return [await field.turn() for _ in range(count)]


@contextlib.asynccontextmanager
async def _ready(room: Path, name: str) -> AsyncIterator[Field]:
    server = shop.zabbix(name)
    room.mkdir()
    async with contextlib.AsyncExitStack() as stack:
        ours = await stack.enter_async_context(_project(room / "ours"))
        rival = await stack.enter_async_context(_project(room / "rival"))
        docker = await stack.enter_async_context(engine.watched(room / "bin"))
        door = await stack.enter_async_context(
            api.connect(server.api, api.Login(user=server.user, password=server.password))
        )
        shim = str(docker.folder / "docker")
        await remote.prepare(door, _scale(shim, rival, 2), _scale(shim, rival, 1))
        running = await stack.enter_async_context(house.opened(room / "house", server, ours, docker.folder))
        far = remote.Remote(server.trapper)
        await _understood(door, house.HOST, running.voice.say)
        await _understood(door, remote.NAME, far.say)
        yield Field(
            Way(docker, ours.project, running.voice.say, JITTER[name]),
            Way(docker, rival.project, far.say, JITTER[name]),
            running.outcomes,
        )


@contextlib.asynccontextmanager
async def _project(folder: Path) -> AsyncIterator[settings.Target]:
    """Give a compose project with one container of the service `web`."""
    folder.mkdir()
    async with containers.compose(folder, {"web": {}}, ["web"]) as target:
        yield target


def _scale(docker: str, target: settings.Target, count: int) -> str:
    """Return what the scheduler would run, as a shell command."""
    file = Path(target.project_directory) / target.files[0]
    project = f"compose --project-name {target.project} --file {file}"
    up = f"up --detach --scale web={count} --no-recreate --no-deps --quiet-pull --pull never web"
    return f"{docker} --host {target.host} {project} {up}"


async def _understood(door: api.Api, host: str, say: Say) -> None:
    """Say something harmless until Zabbix has a value of it."""
    question = {"host": host, "search": {"key_": "load"}, "output": ["lastclock"], "filter": {"type": 2}}
    async with asyncio.timeout(60):
        while all(item["lastclock"] == "0" for item in await door.call("item.get", question)):
            with contextlib.suppress(remote.TooEarly):
                await say(house.CALM)
            await asyncio.sleep(0.5)


def rows(seven: list[tuple[Reaction, Reaction]], six: list[tuple[Reaction, Reaction]]) -> list[report.Row]:
    """Return what the turns come to."""
    return [
        _quantile(
            f"7.0: value → Docker's child, {len(seven)} times, p50; rival: Zabbix's remote command",
            seven,
            50,
            P50,
        ),
        _quantile(f"7.0: value → Docker's child, {len(seven)} times, p99", seven, 99, P99),
        _running("7.0: value → container runs", seven, RUNS),
        _quantile(f"6.0: value → Docker's child, {len(six)} times, p50", six, 50),
        _quantile(f"6.0: value → Docker's child, {len(six)} times, p99", six, 99),
        _running("6.0: value → container runs", six),
    ]


def _quantile(
    what: str, turns: list[tuple[Reaction, Reaction]], percent: int, limit: float = 0
) -> report.Row:
    ours, rival = ([one.called for one in way] for way in zip(*turns, strict=True))
    mine, other = at(ours, percent), at(rival, percent)
    reach = f"≤ {limit:g} ms" if limit else ""
    return report.Row(what, mine, other, "ms", None, reach, not limit or mine <= limit)


def _running(what: str, turns: list[tuple[Reaction, Reaction]], limit: float = 0) -> report.Row:
    ratio = statistics.median(ours.runs / rival.runs for ours, rival in turns)
    mine, other = (statistics.median(one.runs for one in way) for way in zip(*turns, strict=True))
    reach = f"≤ {limit:g} ×" if limit else ""
    return report.Row(what, mine, other, "ms", ratio, reach, not limit or ratio <= limit)


def at(found: list[float], percent: int) -> float:
    """Return that percentile by nearest rank: a value that was measured, never one between two."""
    return sorted(found)[-(-len(found) * percent // 100) - 1]
