"""A thousand services at rest: what the scheduler has in memory, and what it does when there is nothing to do.

Each service has one instance that is heard every ten seconds; the target is one of local processes without any.
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
SECONDS = int(os.environ.get("REST", "65"))
"""How long it is watched: two of the scheduler's own rounds."""
EVERY = 10.0
"""Seconds from one heartbeat of an instance to its next."""
MEMORY, CPU = 150, 2
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
    async with _ready(room) as running:
        began, before = time.monotonic(), running.cpu
        await asyncio.sleep(SECONDS)
        share = (running.cpu - before) / (time.monotonic() - began) * 100
        return [
            report.at_most(
                f"{SERVICES:,} services at rest: the scheduler's peak", running.peak, "MB", MEMORY
            ),
            report.at_most(f"{SERVICES:,} services at rest: CPU, of a core", share, "%", CPU),
        ]


@contextlib.asynccontextmanager
async def _ready(room: Path) -> AsyncIterator[part.Part]:
    room.mkdir()
    async with contextlib.AsyncExitStack() as stack:
        url = await stack.enter_async_context(nats.server(room / "nats", room / "run"))
        link = await stack.enter_async_context(bus.connect(settings.Nats(url=url), "bench"))
        await bus.provision(link)
        beating = asyncio.create_task(_beat(link))
        stack.callback(beating.cancel)
        config, listen = room / "scheduler.toml", part.free()
        config.write_text(text(nats=url, listen=listen, folder=str(room / "instances")))
        running = await stack.enter_async_context(part.service("scheduler", config, listen))
        await asyncio.sleep(EVERY)  # every instance was heard once, and the first round is over
        yield running


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
