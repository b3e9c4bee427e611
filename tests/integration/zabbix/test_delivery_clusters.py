"""Two Zabbix servers hear the same values: each has its own queue, and its own receipts."""

import asyncio
import functools
import secrets

import pytest

from concierge_backends import forwarder
from concierge_backends.zabbix import api
from concierge_proto import bus, messages, settings, subjects
from tests import peer
from tests.integration.zabbix import own
from tests.integration.zabbix.conftest import Until
from tests.peers import process
from tests.unit.zabbix import trappers


@pytest.fixture
def nowhere() -> str:
    return f"127.0.0.1:{process.free_port()}"


def config(first: str, second: str) -> settings.Settings:
    return settings.parse(
        {
            "monitoring": {
                "backends": ["zabbix", "zabbix-second"],
                "zabbix": {"servers": [first]},
                "clusters": {"second": {"servers": [second]}},
            }
        },
        "test",
    )


async def receipts(
    link: bus.Bus, found: settings.Settings, name: str, many: int
) -> dict[str, messages.Receipt]:
    """Forward one snapshot, and return what the backends said about it."""
    ready, heard = asyncio.Event(), {}
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        running = group.create_task(forwarder.run(found, link, ready=ready))
        await ready.wait()
        async with link.listening(subjects.receipt("shop", name)) as answers:
            sent = own.snapshot(name, {"good": 1.5})
            await link.publish(link.pack(subjects.snapshot("shop", name), sent))
            async for answer in answers:
                receipt = answer.read(messages.Receipt)
                heard[receipt.backend] = receipt
                if len(heard) == many:
                    break
        running.cancel()
    return heard


async def test_each_real_server_answers_for_itself(link: bus.Bus, until: Until) -> None:
    nodes, name = [], f"c{secrets.token_hex(4)}"
    for version in ("zabbix", "zabbix60"):
        url = peer.need(version)
        node = own.trapper_of(version)
        nodes.append(node)
        if version == "zabbix":
            async with api.connect(url, own.LOGIN) as door:
                await own.item(door, await own.host(door, name), "good")
            assert await until(functools.partial(own.accepts, node, name, "good"))
    found = await receipts(link, config(*nodes), name, 2)
    assert (found["zabbix"].processed, found["zabbix"].primary) == (1, True)
    second = found["zabbix-second"]
    assert (second.processed, second.parked, second.primary) == (0, 1, False)


async def test_one_that_is_away_delays_no_other(link: bus.Bus, nowhere: str) -> None:
    async with trappers.trapper() as fake:
        found = await receipts(link, config(nowhere, fake.address), "one", 1)
    assert found["zabbix-second"].processed == 1
