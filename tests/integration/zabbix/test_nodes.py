"""Two real servers on one database, the active node and its standby: values follow whoever is active."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator

import pytest
from msgspec import structs

from concierge_backends import forwarder
from concierge_proto import bus, messages, settings, subjects
from tests.integration.zabbix import own
from tests.integration.zabbix.conftest import Until
from tests.peers import process, zabbix

pytestmark = pytest.mark.xdist_group("nodes")
"""They meet nobody on their servers, and wait for long."""
STANDBY = "select name from ha_node where status = 0"


@pytest.fixture(params=["zabbix", "zabbix60"])
async def mine(request: pytest.FixtureRequest) -> AsyncIterator[own.Own]:
    """The active node."""
    async with own.running(request.param, {"HANodeName": "one"}) as found:
        # The least that `zabbix_server -R ha_set_failover_delay` takes.
        await found.server.cluster.sql("update config set ha_failover_delay = '10s'", "zabbix")
        yield found


@pytest.fixture
async def standby(mine: own.Own, until: Until) -> zabbix.Server:
    """The other node, which listens on no port."""
    found = mine.server.beside("two")
    await found.launch()
    assert await until(lambda: mine.server.cluster.sql(STANDBY, "zabbix")) == "two\n"
    return found


@contextlib.asynccontextmanager
async def forwarding(config: settings.Settings, link: bus.Bus) -> AsyncIterator[None]:
    ready = asyncio.Event()
    async with asyncio.timeout(120), asyncio.TaskGroup() as group:
        running = group.create_task(forwarder.run(config, link, ready=ready))
        await ready.wait()
        yield
        running.cancel()


def config(*nodes: str) -> settings.Settings:
    return settings.parse({"monitoring": {"backends": ["zabbix"], "zabbix": {"servers": nodes}}}, "test")


class Instance:
    """One whose values go over the bus, and are counted in the receipts."""

    def __init__(self, link: bus.Bus) -> None:
        self.name = f"n{secrets.token_hex(4)}"
        self.times: list[int] = []
        self._link = link
        self._taken: set[str] = set()

    async def send(self, number: int) -> None:
        for _ in range(number):
            seq = len(self.times) + 1
            sent = structs.replace(own.snapshot(self.name, {"good": seq}), seq=seq)
            self.times.append(sent.time_ns)
            await self._link.publish(self._link.pack(subjects.snapshot("shop", self.name), sent))

    @contextlib.asynccontextmanager
    async def acknowledged(self, number: int) -> AsyncIterator[None]:
        """What is sent inside is taken by Zabbix before this ends."""
        wanted = len(self._taken) + number
        async with self._link.listening(subjects.receipt("shop", self.name)) as answers:
            yield
            async for answer in answers:
                receipt = answer.read(messages.Receipt)
                self._taken |= {receipt.snapshot_id} if receipt.processed else set()
                if len(self._taken) == wanted:
                    return


async def test_values_follow_the_active_node_and_none_is_lost(
    mine: own.Own, standby: zabbix.Server, link: bus.Bus, until: Until
) -> None:
    one = Instance(link)
    itemid = await own.item(mine.door, await own.host(mine.door, one.name), "good")
    assert await until(lambda: own.accepts(mine.node, one.name, "good"))
    history = f"select clock::bigint * 1000000000 + ns from history where itemid = {itemid} and value > 0 order by 1"  # noqa: S608

    async def stored(times: list[int]) -> bool:
        rows = (await mine.server.cluster.sql(history, "zabbix")).split()
        return [int(row) for row in rows] == times

    async with forwarding(config(f"127.0.0.1:{standby.port}", mine.node), link):
        async with one.acknowledged(3):
            await one.send(3)
        assert await until(lambda: stored(one.times))
        async with mine.jammed():
            async with one.acknowledged(3):
                await one.send(3)
            await mine.server.kill()
        assert await stored(one.times[:3])  # three more were accepted, and died with the node
        async with one.acknowledged(4):
            await one.send(4)
            assert standby.daemon
            await process.until(lambda: process.answers(standby.port), standby.daemon, seconds=90)
        assert await until(lambda: stored(one.times))
