"""Values that came before their items: kept, and sent again with their own times."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence

from concierge_backends.zabbix import hosts, packets
from concierge_proto import errors

SLOTS = ("discovery", "snapshot", "state")
"""What is kept of a host: the newest of each, and sent in this order, since discovery makes the items."""
FIRST, LONGEST = 0.5, 5.0
"""Seconds until the next try; they grow by half."""

Send = Callable[[hosts.Host, Sequence[packets.Row]], Awaitable[int]]
"""Returns how many rows Zabbix took."""

_log = logging.getLogger(__name__)


class Parked:
    """What waits, by host. One task a host sends it again until it is taken or too old."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._waiting: dict[str, dict[str, tuple[Sequence[packets.Row], float]]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def keep(self, host: hosts.Host, slot: str, rows: Sequence[packets.Row], until: float) -> None:
        """Send these rows again until `until` (monotonic); they replace what the slot held."""
        self._waiting.setdefault(host.name, {})[slot] = (rows, until)
        if host.name not in self._tasks:
            self._tasks[host.name] = asyncio.create_task(self._resend(host), name=f"parked {host.name}")

    def forget(self, host: hosts.Host, slot: str) -> None:
        """Newer values of this slot were taken."""
        self._waiting.get(host.name, {}).pop(slot, None)

    def waiting(self, host: hosts.Host) -> int:
        """Return how many values of a host wait."""
        return sum(len(rows) for rows, _ in self._waiting.get(host.name, {}).values())

    async def close(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _resend(self, host: hosts.Host) -> None:
        try:
            for pause in _pauses():
                await asyncio.sleep(pause)
                with contextlib.suppress(errors.Temporary):
                    await self._again(host)
                if not self._waiting.get(host.name):
                    return
        except errors.Permanent as error:
            _log.warning("host %s: %d values are given up: %s", host.name, self.waiting(host), error)
        finally:
            self._waiting.pop(host.name, None)
            self._tasks.pop(host.name, None)

    async def _again(self, host: hosts.Host) -> None:
        for slot in SLOTS:
            async with host.lock:
                rows, until = self._waiting[host.name].get(slot, ((), 0.0))
                if rows and (time.monotonic() > until or await self._send(host, rows) == len(rows)):
                    self.forget(host, slot)


def _pauses() -> Iterator[float]:
    pause = FIRST
    while True:
        yield pause
        pause = min(LONGEST, pause * 1.5)
