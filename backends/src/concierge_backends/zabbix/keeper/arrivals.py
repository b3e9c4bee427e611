"""Instances that wait for their hosts: those of a moment are enrolled together."""

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from concierge_backends.zabbix import hosts
from concierge_backends.zabbix.keeper import enrol, session
from concierge_proto import errors, settings

GATHER = 0.05
"""Seconds in which arrivals become one call."""
TOGETHER = 25
"""Hosts of one call: the first of many need not wait for the last."""

Batch = dict[str, tuple[hosts.Host, enrol.Arrival]]
_log = logging.getLogger(__name__)


class Ways(NamedTuple):
    """What the keeper asks of those who send values."""

    register: Callable[[hosts.Host], Awaitable[None]]
    """Serve a host that the API is no help for."""
    made: Callable[[hosts.Host], None]
    """Its host is there: what waits for it may go soon."""
    ended: Callable[[hosts.Host], None]
    """Its host is disabled: nothing of it need be remembered."""


class Arrivals:
    """By the names of their hosts, first come, first served."""

    def __init__(
        self,
        config: settings.Settings,
        door: session.Session,
        ways: Ways,
        warn: Callable[[str], None],
    ) -> None:
        self._config = config
        self._session = door
        self._ways = ways
        self._warn = warn
        self._waiting: Batch = {}
        self._any = asyncio.Event()

    def __contains__(self, name: object) -> bool:
        return name in self._waiting

    def add(self, host: hosts.Host, *, running: bool) -> None:
        """Let it wait; `running`: its heartbeat said so."""
        known = self._waiting.get(host.name)
        if known and known[1].boot == host.boot:
            running = running or known[1].running
        one = enrol.Arrival(host.name, host.service, host.boot, host.courier, host.image, running)
        self._waiting[host.name] = (host, one)
        self._any.set()

    async def settle(self) -> list[enrol.Arrival]:
        """Wait for some and enrol them; return whom nobody wakes. Raises Temporary: they wait on."""
        if not self._waiting:
            await self._any.wait()
            await asyncio.sleep(GATHER)
        batch = dict(itertools.islice(self._waiting.items(), TOGETHER))
        asleep = await self._enrol(batch)
        for name, one in batch.items():
            if self._waiting[name] is one:
                del self._waiting[name]
        if not self._waiting:
            self._any.clear()
        return asleep

    async def _enrol(self, batch: Batch) -> list[enrol.Arrival]:
        """Enrol all of them, or each for itself: one that Zabbix refuses must not keep the others out."""
        some = [one for _, one in batch.values()]
        try:
            enrolled = await self._session.call(lambda door: enrol.enrol(door, self._config, some))
        except errors.Permanent as error:
            if len(batch) > 1:
                return [found for name in batch for found in await self._enrol({name: batch[name]})]
            self._warn(f"{error}; hosts register themselves meanwhile")
            await self._ways.register(next(iter(batch.values()))[0])
            return []
        self._note(batch, enrolled)
        return [batch[name][1] for name in enrolled.asleep]

    def _note(self, batch: Batch, enrolled: enrol.Enrolled) -> None:
        for name in enrolled.made:
            self._ways.made(batch[name][0])
        if enrolled.made:
            _log.info("hosts made: %s", ", ".join(enrolled.made))
        for name in enrolled.foreign:
            self._warn(f"host {name} is not ours and is left alone: see monitoring.zabbix.instance_host")
