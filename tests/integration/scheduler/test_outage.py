"""NATS goes away for longer than a lease lives, and comes back: the keeper heals by itself."""

import asyncio
from pathlib import Path

import pytest

from concierge_cli import nats
from concierge_proto import bus, settings
from concierge_scheduler.targets import memory
from tests.integration.scheduler import stage


@pytest.mark.timeout(60)
async def test_nats_away_longer_than_the_lease(tmp_path: Path) -> None:
    store, target, rules = tmp_path / "store", stage.place(web=1), {"web": stage.policy()}
    async with asyncio.TaskGroup() as group:
        async with nats.server(store, tmp_path / "one") as url:
            port = int(url.rpartition(":")[2])
            first, over = asyncio.Event(), asyncio.Event()
            life = group.create_task(live(url, target, rules, first, over))
            await first.wait()
        while not over.is_set():
            await asyncio.sleep(0.1)
        async with nats.server(store, tmp_path / "two", port=port):
            await life
    assert [call.wanted for call in target.calls] == [2, 3]


async def live(
    url: str,
    target: memory.Memory,
    rules: dict[str, settings.Service],
    first: asyncio.Event,
    over: asyncio.Event,
) -> None:
    """One step before the outage, one after it."""
    async with bus.connect(settings.Nats(url=url), "test") as link:
        await bus.provision(link)
        async with stage.hearing(link) as ear, stage.keeping(link, target, rules) as keeper:
            await stage.send(link, stage.command())
            await ear.until(lambda: ear.outcomes)
            first.set()
            while keeper.attending.is_set():
                await asyncio.sleep(0.1)
            over.set()
            while not link.connected:
                await asyncio.sleep(0.1)
            await stage.send(link, stage.command(problem="zabbix/2"))
            await ear.until(lambda: len(ear.outcomes) == 2)
