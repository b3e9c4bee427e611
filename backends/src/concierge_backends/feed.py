"""What one forwarder of several tells a backend: states and aggregates, by the lease's holder."""

import asyncio
import logging
from collections.abc import Awaitable

from concierge_backends import mailbox, measures, overview, port
from concierge_proto import bus, errors, messages

log = logging.getLogger(__name__)

_LANES = 4
_MOST = 20_000
"""Instances that stopped and are remembered."""
_PAUSE = 0.2
"""Seconds after a call that failed."""


class Feed:
    """Newest wins: what a slow backend has not been told yet is replaced, never queued.

    Running instances are told by the holder alone; one that stopped, or runs again after that, is told by every
    forwarder: each must know whether its late snapshots are void, and twice does no harm.
    """

    def __init__(self, backend: port.Backend, lease: bus.Lease, seen: overview.Overview) -> None:
        self._backend = backend
        self._lease = lease
        self._seen = seen
        self._states: list[mailbox.Mailbox[messages.Heartbeat]] = [mailbox.Mailbox() for _ in range(_LANES)]
        self._services: mailbox.Mailbox[None] = mailbox.Mailbox()
        self._stopped: dict[str, bool] = {}
        seen.listeners.append(self)

    def heartbeat(self, heartbeat: messages.Heartbeat) -> None:
        key = f"{heartbeat.service}/{heartbeat.instance}"
        back = bool(heartbeat.state) and self._stopped.pop(key, False)
        if heartbeat.state == 0:
            self._stopped[key] = True
            if len(self._stopped) > _MOST:
                del self._stopped[next(iter(self._stopped))]
        if heartbeat.state == 0 or back or self._lease.held:
            self._states[hash(key) % _LANES].put(key, heartbeat)

    def changed(self, service: str) -> None:
        if self._lease.held:
            self._services.put(service, None)

    async def run(self) -> None:
        """Tell until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._lease.run())
            group.create_task(self._take_over())
            group.create_task(self._tell_services())
            for lane in self._states:
                group.create_task(self._tell_states(lane))

    async def _take_over(self) -> None:
        """With the lease comes the duty to tell everything that is known."""
        while True:
            measures.HELD.labels(self._backend.name).set(0)
            await self._lease.taken()
            measures.HELD.labels(self._backend.name).set(1)
            for heartbeat in self._seen.roster.heartbeats():
                self.heartbeat(heartbeat)
            await self._expect()
            await self._lease.lost()

    async def _expect(self) -> None:
        """Whom the backend takes for running must be heard from now on: it may have died while nobody listened."""
        while self._lease.held:
            try:
                for one in await self._backend.instances():
                    self._seen.expect(one)
            except errors.Temporary as error:
                await asyncio.sleep(error.delay)
            except errors.Permanent as error:
                log.warning("%s: whom it takes for running is unknown: %s", self._backend.name, error)
                return
            else:
                return

    async def _tell_states(self, lane: mailbox.Mailbox[messages.Heartbeat]) -> None:
        while True:
            key, heartbeat = await lane.take()
            if not await self._safely(f"state of {key}", self._backend.heartbeat(heartbeat)):
                lane.put_back(key, heartbeat)
                await asyncio.sleep(_PAUSE)

    async def _tell_services(self) -> None:
        await self._seen.ready.wait()
        while True:
            service, _ = await self._services.take()
            found = self._seen.aggregates(service)
            if found is None or not self._lease.held:
                continue
            told = self._backend.aggregates(found)
            if not await self._safely(f"aggregates of {service}", told):
                await asyncio.sleep(_PAUSE)

    async def _safely(self, what: str, work: Awaitable[None]) -> bool:
        """Return False when it is worth another try."""
        try:
            await work
        except errors.Temporary as error:
            log.debug("%s: %s: %s", self._backend.name, what, error)
            return False
        except errors.Permanent as error:
            log.error("%s: %s: %s", self._backend.name, what, error)
        except Exception:
            log.exception("%s: %s", self._backend.name, what)
        return True
