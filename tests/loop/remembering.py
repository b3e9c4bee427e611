"""`python -m tests.loop.remembering MODULE --config FILE`: a service whose `process` targets only remember.

A listing takes as long as that of a real engine: a scheduler that asks for each service alone would show.
"""

import asyncio
import contextlib
import runpy
import sys
from collections.abc import AsyncIterator

from concierge_proto import settings
from concierge_scheduler.targets import memory, port, registry

LISTING = 0.015
"""Seconds of `docker ps`."""


class Slow(memory.Memory):
    """Counts that take a moment to be read."""

    async def read(self) -> dict[str, port.Observed]:
        await asyncio.sleep(LISTING)
        return await super().read()


@contextlib.asynccontextmanager
async def open(  # noqa: A001 - the registry's word
    name: str,
    config: settings.Target,
    services: dict[str, settings.Service],
    nats_url: str,
) -> AsyncIterator[port.Target]:
    """Give a target of its own."""
    yield Slow(name, services)


if __name__ == "__main__":
    registry.KINDS["process"] = "tests.loop.remembering"
    runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
