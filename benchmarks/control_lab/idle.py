"""A thousand services at rest: what the scheduler has in memory, and what it does when there is nothing to do.

The target is one of local processes, without any. After a while without a word each service has one instance that is
heard every ten seconds, as couriers elsewhere would be.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

from benchmarks import report
from benchmarks.control_lab import part
from concierge_cli import nats
from concierge_proto import bus, messages, settings, subjects

SERVICES = 1000
SECONDS = int(os.environ.get("REST", "35"))
"""How long it is watched each time: more than one of the scheduler's own rounds."""
EVERY = 10.0
"""Seconds from one heartbeat of an instance to its next."""
MEMORY, CPU = 150, 2
"""Megabytes, and per cent of a core while nothing is said; what heartbeats cost is shown beside it."""
CONFIG = """\
[nats]
url = "{nats}"
[scheduler]
listen = "{listen}"
[targets.local]
kind = "process"
directory = "{folder}"
"""
SERVICE = """\
[services.s{number}]
target = "local"
min = 0
max = 9
heard = false
process = {{ command = ["true"] }}
[[services.s{number}.rules]]
trigger = "High load*"
action = "scale_out 1"
"""


async def measure(room: Path) -> list[report.Row]:
    """Return the rows."""
    async with _ready(room) as (running, link):
        alone = await _share(running)
        beating = asyncio.create_task(_beat(link))
        heard = await _share(running)
        beating.cancel()
        what, often = f"{SERVICES:,} services at rest", f"{SERVICES / EVERY:g} heartbeats a second"
        return [
            report.at_most(f"{what}: the scheduler's peak", running.peak, "MB", MEMORY),
            report.at_most(f"{what}: CPU, of a core", alone, "%", CPU),
            report.Row(f"{what}, {often}: CPU, of a core", heard, None, "%", None, ""),
        ]


async def _share(running: part.Part) -> float:
    """Return the per cent of a core that it uses."""
    began, before = time.monotonic(), running.cpu
    await asyncio.sleep(SECONDS)
    return (running.cpu - before) / (time.monotonic() - began) * 100


@contextlib.asynccontextmanager
async def _ready(room: Path) -> AsyncIterator[tuple[part.Part, bus.Bus]]:
    room.mkdir()
    async with contextlib.AsyncExitStack() as stack:
        url = await stack.enter_async_context(nats.server(room / "nats", room / "run"))
        link = await stack.enter_async_context(bus.connect(settings.Nats(url=url), "bench"))
        await bus.provision(link)
        config, listen = room / "scheduler.toml", part.free()
        config.write_text(text(nats=url, listen=listen, folder=str(room / "instances")))
        yield await stack.enter_async_context(part.service("scheduler", config, listen)), link


def text(**addresses: str) -> str:
    """Return the configuration."""
    services = "".join(SERVICE.format(number=number) for number in range(SERVICES))
    return CONFIG.format(**addresses) + services


async def _beat(link: bus.Bus) -> None:
    """Speak for every instance in turn until cancelled."""
    while True:
        for number in range(SERVICES):
            name = f"s{number}"
            beat = messages.Heartbeat(
                service=name, instance="one", time_ns=time.time_ns(), boot="b", state=1, interval_s=EVERY
            )
            await link.tell(link.pack(subjects.heartbeat(name, "one"), beat))
            await asyncio.sleep(EVERY / SERVICES)
