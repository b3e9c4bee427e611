"""From a command on the bus to Docker's child: the scheduler alone, a real engine, and a shim before its client.

The clock starts before the command is published. The shim's own start, a millisecond or two of bash, counts twice
against us: once for the reading, once for the child.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from benchmarks import report
from benchmarks.control_lab import part
from benchmarks.zabbix_lab import engine, react
from concierge_cli import nats
from concierge_proto import bus, identity, messages, settings, subjects
from tests import containers

REPEATS = int(os.environ.get("REPEATS", "100"))
P50, P99 = 30, 80
TARGET, SERVICE = "bench", "web"
REST = 0.1
"""Seconds after a proof: a command that comes at once is decided by the reading that proved it."""
PATIENCE = 30
"""Seconds until a step must be proved."""
CONFIG = """\
[nats]
url = "{nats}"
[scheduler]
listen = "{listen}"
[targets.bench]
kind = "compose"
host = "{engine}"
project = "{project}"
files = ["{file}"]
[services.web]
target = "bench"
max = 2
heard = false
cooldown_out = "0s"
cooldown_in = "0s"
settle = "50ms"
"""


class Desk(NamedTuple):
    """Who commands, and what it sees."""

    link: bus.Bus
    docker: engine.Engine
    project: str
    outcomes: AsyncIterator[bus.Delivery]

    async def step(self, count: int) -> float:
        """Order so many instances, wait for the proof; return the milliseconds until the child was started."""
        await asyncio.sleep(REST)
        at_ns = time.time_ns()
        await self.link.publish(_command(self.link, count))
        async with asyncio.timeout(PATIENCE):
            found = (await anext(self.outcomes)).read(messages.Outcome)
        if (found.result, found.after) != ("converged", count):
            raise RuntimeError(f"scale_to {count}: {found.result} with {found.after}: {found.detail}")
        return (self._started(at_ns) - at_ns) / 1e6

    def _started(self, since_ns: int) -> int:
        """Return when the child was started; the target must have been read before it."""
        started_ns = self.docker.called(self.project, since_ns)
        calls = self.docker.calls(since_ns)
        if not any(at_ns < started_ns and " ps " in words for at_ns, words in calls):
            raise RuntimeError("it was decided without a live read")
        return started_ns


async def measure(room: Path) -> list[report.Row]:
    """Return the rows."""
    async with _ready(room) as desk:
        await desk.step(2)
        await desk.step(1)
        return rows([await desk.step(2 - number % 2) for number in range(REPEATS)])


def rows(found: list[float]) -> list[report.Row]:
    """Judge milliseconds."""
    what = f"command → Docker's child started, {len(found)} times, live read included"
    return [
        report.at_most(f"{what}, p{percent}", react.at(found, percent), "ms", limit)
        for percent, limit in ((50, P50), (99, P99))
    ]


@contextlib.asynccontextmanager
async def _ready(room: Path) -> AsyncIterator[Desk]:
    room.mkdir()
    async with contextlib.AsyncExitStack() as stack:
        target = await stack.enter_async_context(containers.compose(room, {SERVICE: {}}, [SERVICE]))
        docker = await stack.enter_async_context(engine.watched(room / "bin"))
        url = await stack.enter_async_context(nats.server(room / "nats", room / "run"))
        link = await stack.enter_async_context(bus.connect(settings.Nats(url=url), "bench"))
        await bus.provision(link)
        outcomes = await stack.enter_async_context(link.listening(subjects.event(SERVICE, "outcome")))
        config, listen = room / "scheduler.toml", part.free()
        config.write_text(_config(target, nats=url, listen=listen))
        path = f"{docker.folder}:{os.environ['PATH']}"
        await stack.enter_async_context(part.service("scheduler", config, listen, PATH=path))
        yield Desk(link, docker, target.project, outcomes)


def _config(target: settings.Target, **addresses: str) -> str:
    file = Path(target.project_directory) / target.files[0]
    return CONFIG.format(engine=target.host, project=target.project, file=file, **addresses)


def _command(link: bus.Bus, count: int) -> bus.Message:
    now, name = datetime.now(UTC), identity.mint()
    command = messages.Command(
        id=name,
        service=SERVICE,
        target=TARGET,
        verb="scale_to",
        amount=count,
        correlation_id=name,
        manual=True,
        owner="bench",
        issued_at=now,
        expires_at=now + timedelta(minutes=1),
    )
    return link.pack(subjects.command(TARGET, SERVICE), command, id=name, correlation_id=name)
