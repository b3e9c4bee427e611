"""A backend as the forwarder calls it: with an end to every call, and every call counted."""

import asyncio
import logging
import time
from collections.abc import Awaitable
from typing import TypeVar

from concierge_backends import measures, port
from concierge_proto import errors, messages

log = logging.getLogger(__name__)
T = TypeVar("T")

_PATIENCE = 30.0
"""Seconds. Backends have shorter limits of their own; this one is for what they overlook."""


class Guard:
    """The same port, and Temporary from a call that does not end."""

    def __init__(self, backend: port.Backend) -> None:
        self._backend = backend
        self.name = backend.name
        self._away = False

    async def snapshot(self, snapshot: messages.Snapshot) -> port.Delivered:
        delivered = await self._call("snapshot", self._backend.snapshot(snapshot))
        measures.VALUES.labels(self.name, "processed").inc(delivered.processed)
        measures.VALUES.labels(self.name, "failed").inc(delivered.failed)
        return delivered

    async def discovery(self, discovery: messages.Discovery) -> None:
        await self._call("discovery", self._backend.discovery(discovery))

    async def heartbeat(self, heartbeat: messages.Heartbeat) -> None:
        await self._call("heartbeat", self._backend.heartbeat(heartbeat))

    async def aggregates(self, aggregates: port.Aggregates) -> None:
        await self._call("aggregates", self._backend.aggregates(aggregates))

    async def report(self, report: port.Report) -> None:
        await self._call("report", self._backend.report(report))

    async def instances(self) -> list[port.Instance]:
        return await self._call("instances", self._backend.instances())

    async def _call(self, kind: str, work: Awaitable[T]) -> T:
        started, result = time.perf_counter(), "unexpected"
        try:
            async with asyncio.timeout(_PATIENCE):
                answer = await work
        except TimeoutError as error:
            result = "temporary"
            self._note(f"no answer within {_PATIENCE:.0f} s")
            raise errors.Temporary(f"{self.name}: no answer within {_PATIENCE:.0f} s") from error
        except errors.Temporary as error:
            result = "temporary"
            self._note(str(error))
            raise
        except errors.Permanent:
            result = "permanent"
            raise
        else:
            result = "delivered"
            self._note("")
            return answer
        finally:
            measures.MESSAGES.labels(self.name, kind, result).inc()
            measures.SECONDS.labels(self.name).observe(time.perf_counter() - started)
            measures.UP.labels(self.name).set(result in {"delivered", "permanent"})

    def _note(self, trouble: str) -> None:
        """Log the first failure and the recovery, not each try in between."""
        if trouble and not self._away:
            log.warning("%s is away: %s", self.name, trouble)
        if self._away and not trouble:
            log.info("%s answers again", self.name)
        self._away = bool(trouble)
