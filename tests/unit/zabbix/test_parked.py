"""Who tries again, and when."""

import asyncio
from collections.abc import Iterator

import pytest

from concierge_backends.zabbix import hosts, packets, parked


def _host() -> hosts.Host:
    host = hosts.Host("one", "web")
    host.account.park([packets.row("one", "a", 1, 10**18)], 0.0, 60.0)
    return host


async def test_a_host_that_was_made_is_tried_as_often_as_in_the_beginning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def pauses() -> Iterator[float]:
        yield 0.0
        yield 3600.0

    monkeypatch.setattr(parked, "_pauses", pauses)
    tried: asyncio.Queue[float] = asyncio.Queue()

    async def flush(_: hosts.Host) -> None:
        tried.put_nowait(asyncio.get_running_loop().time())

    host, waiting = _host(), parked.Parked(flush)
    async with asyncio.timeout(30):
        waiting.look_after(host)
        await tried.get()
        waiting.restart(host)  # not at once, but after the first pause
        await tried.get()
        host.account.waiting.clear()
        waiting.wake(host)
        await tried.get()
    await waiting.close()


async def test_one_for_which_nothing_waits_is_not_tried() -> None:
    async def flush(_: hosts.Host) -> None:
        raise AssertionError

    waiting = parked.Parked(flush)
    waiting.restart(hosts.Host("one", "web"))
    waiting.wake(hosts.Host("one", "web"))
    await waiting.close()
