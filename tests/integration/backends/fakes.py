"""Monitoring systems with faults on demand: what a real one would not do when asked."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from concierge_backends import port
from concierge_proto import errors, messages, settings

T = TypeVar("T")


class Fake:
    """Remembers what it was told, and says on every change."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.fault: Exception | None = None
        self.answers = asyncio.Event()
        """Cleared: it takes calls and says nothing."""
        self.answers.set()
        self.calls = 0
        self.snapshots: list[messages.Snapshot] = []
        self.discoveries: list[messages.Discovery] = []
        self.heartbeats: list[messages.Heartbeat] = []
        self.services: list[port.Aggregates] = []
        self.reports: list[port.Report] = []
        self._changed = asyncio.Condition()

    async def until(self, true: Callable[["Fake"], T], seconds: float = 15.0) -> T:
        """Return the first thing that is true of it."""
        async with asyncio.timeout(seconds), self._changed:
            while not (found := true(self)):
                await self._changed.wait()
            return found

    async def snapshot(self, snapshot: messages.Snapshot) -> port.Delivered:
        await self._meet()
        self.snapshots.append(snapshot)
        await self._tell()
        return port.Delivered(snapshot.total, 0, snapshot.total)

    async def discovery(self, discovery: messages.Discovery) -> None:
        await self._meet()
        self.discoveries.append(discovery)
        await self._tell()

    async def heartbeat(self, heartbeat: messages.Heartbeat) -> None:
        await self._meet()
        self.heartbeats.append(heartbeat)
        await self._tell()

    async def aggregates(self, aggregates: port.Aggregates) -> None:
        await self._meet()
        self.services.append(aggregates)
        await self._tell()

    async def report(self, report: port.Report) -> None:
        await self._meet()
        self.reports.append(report)
        await self._tell()

    async def instances(self) -> list[port.Instance]:
        return believed

    async def problems(self, source: str) -> list[messages.Trigger]:
        return []

    async def _meet(self) -> None:
        self.calls += 1
        await self._tell()
        await self.answers.wait()
        if self.fault:
            raise self.fault

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


AWAY = errors.Temporary("away", 0.05)
believed: list[port.Instance] = []
"""Whom they take for running."""
opened: list[Fake] = []
"""Every one that a forwarder of this test opened."""


@contextlib.asynccontextmanager
async def alpha(config: settings.Settings) -> AsyncIterator[Fake]:
    opened.append(Fake("alpha"))
    yield opened[-1]


@contextlib.asynccontextmanager
async def beta(config: settings.Settings) -> AsyncIterator[Fake]:
    opened.append(Fake("beta"))
    yield opened[-1]
