"""One task for each host whose values wait: it tries again, ever more seldom, or at once when it is woken."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator

from concierge_backends.zabbix import hosts
from concierge_proto import errors

FIRST, LONGEST = 0.3, 5.0
"""Seconds until the next try; they grow by half."""

_log = logging.getLogger(__name__)


class Parked:
    """`flush` tries to send what waits of a host; it is called until nothing does."""

    def __init__(self, flush: Callable[[hosts.Host], Awaitable[None]]) -> None:
        self._flush = flush
        self._woken: dict[hosts.Host, asyncio.Event] = {}
        self._anew: set[hosts.Host] = set()
        self._tasks: dict[hosts.Host, asyncio.Task[None]] = {}

    def look_after(self, host: hosts.Host) -> None:
        """Something of this host waits."""
        if host not in self._tasks:
            self._woken[host] = asyncio.Event()
            self._tasks[host] = asyncio.create_task(self._work(host), name=f"parked {host.name}")

    def wake(self, host: hosts.Host) -> None:
        """Its items may have come."""
        if host in self._woken:
            self._woken[host].set()

    def restart(self, host: hosts.Host) -> None:
        """Its items are being made just now: try as often as in the beginning."""
        if host in self._woken:
            self._anew.add(host)
            self._woken[host].set()

    async def close(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self, host: hosts.Host) -> None:
        try:
            pauses = _pauses()
            while True:
                pauses = await self._turn(host, pauses)
                try:
                    await self._flush(host)
                except errors.Temporary:
                    continue
                except errors.Permanent as error:
                    _log.warning("host %s: values that wait: %s", host.name, error)
                if not host.account.waiting:
                    return
        finally:
            self._tasks.pop(host, None)
            self._woken.pop(host, None)
            self._anew.discard(host)

    async def _turn(self, host: hosts.Host, pauses: Iterator[float]) -> Iterator[float]:
        """Wait for the next try; return the pauses after it."""
        await self._rest(host, next(pauses))
        while host in self._anew:
            self._anew.discard(host)
            pauses = _pauses()
            await self._rest(host, next(pauses))
        return pauses

    async def _rest(self, host: hosts.Host, pause: float) -> None:
        woken = self._woken[host]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await woken.wait()
        woken.clear()


def _pauses() -> Iterator[float]:
    pause = FIRST
    while True:
        yield pause
        pause = min(LONGEST, pause * 1.5)
