"""Two holders and a real nats-server."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from concierge_proto import bus
from concierge_proto.bus import lease, standing

Connect = Callable[[str], AbstractAsyncContextManager[bus.Bus]]


@contextlib.asynccontextmanager
async def running(link: bus.Bus, owner: str) -> AsyncIterator[bus.Lease]:
    one = bus.Lease(link.store(lease.BUCKET), "target.shop", owner)
    task = asyncio.create_task(one.run())
    try:
        yield one
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_one_holds_and_a_clean_stop_hands_over(link: bus.Bus, connect: Connect) -> None:
    async with connect("two") as other, contextlib.AsyncExitStack() as first:
        one = await first.enter_async_context(running(link, "one"))
        await one.taken()
        async with running(other, "two") as two:
            revision = one.revision
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(5):
                    await two.taken()
            assert one.held
            assert one.revision > revision  # renewed meanwhile
            last = one.revision
            await first.aclose()
            async with asyncio.timeout(2):
                await two.taken()
            assert two.revision > last


async def test_a_dead_holder_is_followed_within_12_s(link: bus.Bus, connect: Connect) -> None:
    async with connect("dead") as other, running(other, "dead") as dead, running(link, "next") as two:
        await asyncio.wait(
            [asyncio.ensure_future(dead.taken()), asyncio.ensure_future(two.taken())],
            return_when="FIRST_COMPLETED",
        )
        victim, heir = (dead, two) if dead.held else (two, dead)
        victim._store = _Silent(victim._store)  # type: ignore[assignment]
        started = time.monotonic()
        async with asyncio.timeout(12):
            await heir.taken()
        assert not victim.held
        assert time.monotonic() - started > 5.5  # never before the holder's own time was over
        victim._revision = 0


async def test_while_nats_is_away_it_is_lost_and_then_taken_again(link: bus.Bus, tmp_path: Path) -> None:
    ports = next((tmp_path / "nats-run").glob("nats-server_*.ports"))
    nats_process = int(ports.stem.partition("_")[2])
    async with running(link, "one") as one:
        await one.taken()
        os.kill(nats_process, signal.SIGSTOP)
        try:
            async with asyncio.timeout(12):
                await one.lost()
            assert not one.held
        finally:
            os.kill(nats_process, signal.SIGCONT)
        async with asyncio.timeout(12):
            await one.taken()


class _Silent:
    """A store whose holder died: nothing is sent any more."""

    def __init__(self, store: bus.Store) -> None:
        self._store = store

    async def update(self, *_: object) -> int:
        await asyncio.Event().wait()
        return 0

    async def delete(self, *_: object) -> None:
        return


async def test_who_holds_is_told_also_while_it_is_renewed(link: bus.Bus, connect: Connect) -> None:
    leases = link.store("concierge_leases")
    over = asyncio.Event()

    async def renew() -> None:
        while not over.is_set():
            await leases.put("docker/engine", b"shop /scheduler 1")

    await leases.put("docker/engine", b"shop /scheduler 1")
    async with asyncio.TaskGroup() as group, connect("cli") as reader:
        group.create_task(renew())
        found = [await standing.targets_held(reader) for _ in range(200)]
        over.set()
    assert set(found) == {frozenset({"shop"})}
