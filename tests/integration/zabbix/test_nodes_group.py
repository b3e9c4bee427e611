"""A real proxy group of Zabbix 7.0 redirects us to the proxy that has the host; 6.0 has no groups."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from concierge_backends.zabbix import api, backend
from concierge_proto import errors
from tests.integration.zabbix import own
from tests.integration.zabbix.conftest import Until
from tests.integration.zabbix.test_delivery import stored
from tests.integration.zabbix.test_delivery_proxy import proxy

pytestmark = pytest.mark.xdist_group("group")
"""They meet nobody on their servers, and wait for long."""


@pytest.fixture
async def mine() -> AsyncIterator[own.Own]:
    async with own.running("zabbix") as found:
        yield found


@pytest.fixture
async def itemid(mine: own.Own, tmp_path: Path) -> AsyncIterator[str]:
    """Of a host that a group of two proxies has."""
    wanted = {"name": "both", "failover_delay": "10s", "min_online": 1}  # the least that Zabbix takes
    (groupid,) = (await mine.door.call("proxygroup.create", wanted))["proxy_groupids"]
    async with AsyncExitStack() as stack:
        for name in ("p1", "p2"):
            (room := tmp_path / name).mkdir()
            node = await stack.enter_async_context(proxy(name, mine.node, room))
            host, port = node.split(":")
            where = {"local_address": host, "local_port": port, "proxy_groupid": groupid}
            await mine.door.call("proxy.create", {"name": name, "operating_mode": 0, **where})
        hostid = await own.host(mine.door, "grouped", monitored_by=2, proxy_groupid=groupid)
        yield await own.item(mine.door, hostid, "good")


async def told(door: api.Api) -> list[object]:
    """What Zabbix says of the group and its proxies."""
    asked = {"output": "extend"}
    return [await door.call(f"{what}.get", asked) for what in ("proxygroup", "proxy")]


async def leave(door: api.Api, node: str) -> str:
    """Take the proxy at this address out of its group; it goes on, without the host."""
    port = node.rpartition(":")[2]
    (found,) = await door.call("proxy.get", {"output": ["proxyid"], "filter": {"local_port": port}})
    await door.call("proxy.update", {"proxyid": found["proxyid"], "proxy_groupid": 0})
    return node


async def test_a_redirect_is_followed_and_no_value_is_lost_while_nobody_knows_whose_the_host_is(
    mine: own.Own, itemid: str, until: Until
) -> None:
    async with backend.open(own.config(mine.node)) as system:

        async def taken() -> int:
            """Its time, once it is taken."""
            sent = own.snapshot("grouped", {"good": 1.5})
            return sent.time_ns if (await system.snapshot(sent)).processed else 0

        try:
            time_ns = await until(taken)
        except TimeoutError:
            pytest.fail(f"never taken by {system._trapper._moved}: {await told(mine.door)}")
        assert system._trapper._moved.keys() == {"grouped"}  # the server itself took none of it

        async def written() -> bool:
            return (time_ns, "1.5") in await stored(mine.door, itemid)

        assert await until(written)
        await mine.server.kill()

        async def waits() -> str:
            """What a proxy that hears no server for long makes of a value: it comes again."""
            try:
                return "" if await taken() else "refused"
            except errors.Temporary as error:
                return str(error)

        assert "Zabbix is away" in await until(waits)
        assert not system._trapper._moved


async def test_a_proxy_that_has_left_its_group_is_asked_no_more(
    mine: own.Own, itemid: str, until: Until
) -> None:
    """It goes on, takes nothing of the host, and does not say who does."""
    async with backend.open(own.config(mine.node)) as system:
        where = system._trapper._moved

        async def taken() -> str:
            """By which proxy."""
            done = await system.snapshot(own.snapshot("grouped", {"good": 1.5}))
            return where["grouped"] if done.processed else ""

        first = await until(taken)
        await leave(mine.door, first)

        async def elsewhere() -> bool:
            return await taken() not in {"", first}

        assert await until(elsewhere)
