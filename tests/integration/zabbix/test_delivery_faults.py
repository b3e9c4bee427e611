"""What a server loses when it is killed, and what reaches its database all the same."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from concierge_backends import port
from concierge_backends.zabbix import backend
from concierge_proto import errors, messages, settings
from tests.integration.zabbix import own
from tests.integration.zabbix.conftest import Until

pytestmark = pytest.mark.xdist_group("faults")
"""They meet nobody on their servers."""
NAMES = tuple(f"com.example.shop.Service{number:04}.call" for number in range(2000))
FIELDS = tuple(f"f{number}" for number in range(17))
WITH_ITEMS = FIELDS[:4]
TOTAL, TAKEN = len(NAMES) * len(FIELDS), len(NAMES) * len(WITH_ITEMS)
HOST = "large"


@pytest.fixture(params=["zabbix", "zabbix60"])
async def mine(request: pytest.FixtureRequest) -> AsyncIterator[own.Own]:
    """A server that may be killed."""
    async with own.running(request.param) as found:
        yield found


def large(number: int) -> messages.Snapshot:
    values = tuple(float(number + cell) for cell in range(TOTAL))
    return messages.Snapshot(
        service="shop",
        instance=HOST,
        time_ns=time.time_ns(),
        seq=number,
        boot="b1",
        blocks=(messages.Block(kind="timer", fields=FIELDS, names=NAMES, values=values),),
    )


async def prepared(mine: own.Own, system: backend.Backend, until: Until) -> None:
    """A host with items for 8,000 of 34,000 values, made by discovery."""
    hostid = await own.host(mine.door, HOST)
    rule = {"hostid": hostid, "key_": "concierge.discovery[timer]", "name": "timers", "type": 2}
    (ruleid,) = (await mine.door.call("discoveryrule.create", rule))["itemids"]
    prototypes = [
        {
            "hostid": hostid,
            "ruleid": ruleid,
            "key_": f"timer[{{#NAME}},{field}]",
            "name": f"{{#NAME}} {field}",
            "type": 2,
            "value_type": 0,
        }
        for field in WITH_ITEMS
    ]
    await mine.door.call("itemprototype.create", prototypes)
    found = messages.Discovery(
        service="shop", instance=HOST, time_ns=time.time_ns(), boot="b1", kinds={"timer": NAMES}
    )
    await system.discovery(found)

    last = [f"timer[{NAMES[-1]},{field}]" for field in WITH_ITEMS]
    await until(lambda: own.accepts(mine.node, HOST, *last))


async def delivered(system: backend.Backend, snapshot: messages.Snapshot) -> port.Delivered:
    """As the bus does it: again, until it is answered."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await system.snapshot(snapshot)
            except errors.Temporary:
                await asyncio.sleep(0.2)


def config(mine: own.Own) -> settings.Settings:
    return own.config(mine.node)


async def test_nothing_is_lost_or_doubled_when_the_server_is_killed(
    mine: own.Own, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with backend.open(config(mine)) as system:
        await prepared(mine, system, until)
        before, during = large(1), large(2)
        packets, send = 0, system._trapper._packet

        async def watched(host: str, wire: bytes) -> int:
            nonlocal packets
            packets += 1
            if packets == 4:  # of seven
                await mine.server.kill()
            return await send(host, wire)

        async with mine.jammed():
            assert (await system.snapshot(before)).processed == TAKEN
            monkeypatch.setattr(system._trapper, "_packet", watched)
            with pytest.raises(errors.Temporary, match="Zabbix is away"):
                await system.snapshot(during)
        monkeypatch.setattr(system._trapper, "_packet", send)
        assert await mine.rows(before.time_ns) == (0, 0)  # "processed" is not "stored"

        await mine.server.serve()
        found = await delivered(system, during)
        assert found.processed == TAKEN
        assert found.processed + found.parked + found.undiscovered + found.refused == TOTAL
        for snapshot in (before, during):

            async def complete(at: int = snapshot.time_ns) -> bool:
                return await mine.rows(at) == (TAKEN, TAKEN)

            assert await until(complete)


async def test_values_wait_in_the_server_while_its_database_is_away(mine: own.Own, until: Until) -> None:
    hostid = await own.host(mine.door, "small")
    await own.item(mine.door, hostid, "good")
    assert await until(lambda: own.accepts(mine.node, "small", "good"))
    sent = own.snapshot("small", {"good": 1})
    async with backend.open(config(mine)) as system, mine.jammed():
        found = await system.snapshot(sent)
    assert found.processed == 1  # accepted; stored when the database is back

    async def complete() -> bool:
        return await mine.rows(sent.time_ns) == (1, 1)

    assert await until(complete)
