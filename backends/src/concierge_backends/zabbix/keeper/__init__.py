"""The host keeper: makes, wakes, retires and removes the hosts of instances, beside the road of their values.

told by the backend ──▶ arrivals ──▶ enrol        a host that is not there yet lets its values wait
                   └──▶ departures ── after a while ──▶ retire ── after `remove_after` ──▶ remove

The removing is done by the holder of the forwarder's lease; the rest by whoever hears of it: twice does no harm.
"""

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from concierge_backends import port
from concierge_backends.zabbix import hosts, names
from concierge_backends.zabbix.keeper import arrivals, census, departures, retire, session
from concierge_proto import errors, messages, settings

LONGEST = 60.0
"""Seconds between two looks for hosts whose time has come."""
HOLDS = 15.0
"""Seconds for which one word of the lease's holder counts: it has one every second."""
MOST = 20_000
"""Retired hosts remembered."""
QUIET = 60.0
"""Seconds between two warnings with the same words."""
REFUSED = 10.0
"""Seconds until the next try of what Zabbix refused."""

_log = logging.getLogger(__name__)


class Keeper:
    """Whatever happens to the API delays no value."""

    def __init__(self, config: settings.Settings, ways: arrivals.Ways) -> None:
        self._config = config
        self._session = session.Session(config.monitoring.zabbix)
        self._ways = ways
        self._arrivals = arrivals.Arrivals(config, self._session, ways, self.warn)
        self._departures = departures.Departures(config, self._session)
        self._retired: OrderedDict[str, str] = OrderedDict()
        self._held = -HOLDS
        self._warned: dict[str, float] = {}

    def arrived(self, host: hosts.Host) -> None:
        """An instance spoke whose host Zabbix may lack; the last words of one that stopped wake nobody."""
        if self._retired.get(host.name) != host.boot:
            self._admit(host, running=False)

    def running(self, host: hosts.Host) -> None:
        """Its application runs: whatever was to end, or has ended, goes on."""
        if self._departures.cancel(host.name) or host.name in self._retired or not host.tries:
            self._admit(host, running=True)

    def stopped(self, host: hosts.Host, heartbeat: messages.Heartbeat, reason: str) -> None:
        """Its application stopped."""
        if self._retired.get(host.name) != host.boot:
            end = retire.End(host.name, heartbeat.time_ns / 1e9, reason, host.boot)
            self._departures.add(host, end, time.monotonic())

    def hold(self) -> None:
        """This process holds the lease."""
        self._held = time.monotonic()

    async def instances(self) -> list[port.Instance]:
        """Return whose hosts are enabled. Raises Temporary, Permanent."""
        found = [
            (census.service(one, self._config), one.name) for one in await self._session.call(census.enabled)
        ]
        return [
            port.Instance(service, names.instance(self._config, service, name))
            for service, name in found
            if service
        ]

    async def run(self) -> None:
        """Work until cancelled."""
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self._session.close)
            group = await stack.enter_async_context(asyncio.TaskGroup())
            for work in (self._enrol, self._retire, self._remove):
                group.create_task(self._forever(work), name=f"zabbix hosts: {work.__name__}")

    def warn(self, words: str) -> None:
        now = time.monotonic()
        if now - self._warned.get(words, -QUIET) >= QUIET:
            self._warned = {said: at for said, at in self._warned.items() if now - at < QUIET} | {words: now}
            _log.warning("%s", words)

    def _admit(self, host: hosts.Host, *, running: bool) -> None:
        self._retired.pop(host.name, None)
        self._departures.cancel(host.name, but=host.boot)
        self._arrivals.add(host, running=running)

    async def _forever(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except errors.Temporary as error:
                self.warn(f"hosts wait: {error}")
                await asyncio.sleep(error.delay)
            except errors.Permanent as error:
                self.warn(str(error))
                await asyncio.sleep(REFUSED)

    async def _enrol(self) -> None:
        for asleep in await self._arrivals.settle():
            self._remember(asleep.name, asleep.boot)

    async def _retire(self) -> None:
        await asyncio.sleep(min(1.0, departures.GRACE))
        for host, end in await self._departures.settle(time.monotonic(), self._arrivals):
            if end is None:  # it came back meanwhile
                self._arrivals.add(host, running=True)
            else:
                self._remember(end.name, end.boot)
                self._ways.ended(host)

    async def _remove(self) -> None:
        after = float(self._config.monitoring.zabbix.remove_after)
        await asyncio.sleep(min(LONGEST, max(1.0, after / 10)))
        if time.monotonic() - self._held > HOLDS:
            return
        removed = await self._session.call(
            lambda door: retire.remove(door, self._config, time.time() - after)
        )
        if removed:
            _log.info("%d hosts removed, whose instances stopped", removed)

    def _remember(self, name: str, boot: str) -> None:
        self._retired[name] = boot
        if len(self._retired) > MOST:
            self._retired.popitem(last=False)
