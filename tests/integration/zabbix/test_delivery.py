"""Every value is stored once with its own time, or parked, or counted with a reason: on real servers."""

import asyncio
import math
import secrets
from pathlib import Path
from typing import Any

import pytest

from concierge_backends.zabbix import api, backend, delivery, framing, hosts, packets, parked, trapper
from concierge_proto import messages, settings
from tests.integration.zabbix import own
from tests.integration.zabbix.conftest import Server, Until


@pytest.fixture
def name() -> str:
    return f"d{secrets.token_hex(4)}"


@pytest.fixture
def asking(server: Server, token: Path) -> settings.Settings:
    """A forwarder that may ask the API."""
    return own.config(server.trapper, api_url=server.url, api_token_file=str(token))


@pytest.fixture(params=["api", "no-api"])
def either(request: pytest.FixtureRequest, server: Server, asking: settings.Settings) -> settings.Settings:
    """One that may, and one that may not."""
    return asking if request.param == "api" else own.config(server.trapper)


async def stored(door: api.Api, itemid: str, kind: int = 0) -> list[tuple[int, str]]:
    """All values of an item, as (ns since 1970, text), oldest first."""
    found: list[dict[str, Any]] = await door.call(
        "history.get", {"itemids": [itemid], "history": kind, "output": "extend"}
    )
    return sorted((int(row["clock"]) * 10**9 + int(row["ns"]), row["value"]) for row in found)


async def test_a_receipt_says_what_became_of_each_value(
    server: Server, door: api.Api, asking: settings.Settings, name: str, until: Until
) -> None:
    hostid = await own.host(door, name)
    good = await own.item(door, hostid, "good")
    await own.item(door, hostid, "off", status=1)
    words = await own.item(door, hostid, "words", value_type=4)
    await own.item(door, hostid, "elsewhere", trapper_hosts="192.0.2.1")
    await own.item(door, hostid, "whole", value_type=3)  # the last: when the server knows it, it knows all
    assert await until(lambda: own.accepts(server.trapper, name, "good", "whole"))
    values: dict[str, messages.Value] = {
        "good": 1.5,
        "words": "größe",
        "off": 1,
        "whole": -1,
        "elsewhere": 1,
        "nowhere": 1,
        "nan": math.nan,
        "inf": math.inf,
    }
    sent = own.snapshot(name, {**values, "good.too": "no number"})
    async with backend.open(asking) as system:
        found = await system.snapshot(sent)
    assert (found.processed, found.parked, found.undiscovered, found.refused) == (2, 2, 0, 5)
    assert found.processed + found.failed == found.total == 9
    for reason in (
        "2 are not a finite number",
        "1 are no whole number up to 2^64, as their item wants",
        "1 are disabled",
        "1 are for the allowed hosts 192.0.2.1 alone",
        "2 have no item yet: they will be sent once more",
    ):
        assert reason in found.detail

    async def written() -> bool:
        return sent.time_ns in [at for at, text in await stored(door, good) if float(text) == 1.5]

    assert await until(written)
    assert await until(lambda: stored(door, words, 4)) == [(sent.time_ns, "größe")]


async def test_text_for_a_number_is_refused_and_not_dropped_in_silence(
    server: Server, door: api.Api, asking: settings.Settings, name: str, until: Until
) -> None:
    hostid = await own.host(door, name)
    itemid = await own.item(door, hostid, "number")
    assert await until(lambda: own.accepts(server.trapper, name, "number"))
    async with backend.open(asking) as system:
        refused = await system.snapshot(own.snapshot(name, {"number": "high"}))
        taken = await system.snapshot(own.snapshot(name, {"number": "1e3"}))
    assert (refused.processed, refused.refused) == (0, 1)
    assert refused.detail == "1 are no number, as their item wants"
    assert taken.processed == 1
    (item,) = await door.call("item.get", {"itemids": [itemid], "output": ["state", "error"]})
    assert (item["state"], item["error"]) == ("0", "")


async def test_values_wait_for_their_item_and_keep_their_times(
    server: Server, door: api.Api, either: settings.Settings, name: str, until: Until
) -> None:
    hostid = await own.host(door, name)
    await own.item(door, hostid, "known")
    assert await until(lambda: own.accepts(server.trapper, name, "known"))
    async with backend.open(either) as system:
        times = []
        for number in range(4):
            sent = own.snapshot(name, {"known": number, "late": number, "never": number})
            times.append(sent.time_ns)
            found = await system.snapshot(sent)
            assert (found.processed, found.parked) == (1, 2)
        itemid = await own.item(door, hostid, "late")
        account = system._hosts.get(name, "shop").account

        async def all_but_one() -> bool:
            return set(account.waiting) == {"never"} and len(await stored(door, itemid)) >= 3

        assert await until(all_but_one)
        waited = await stored(door, itemid)
        assert [at for at, _ in waited] == times[1:]
        assert [float(text) for _, text in waited] == [1, 2, 3]


async def test_an_old_high_never_opens_a_trigger_again(
    server: Server, door: api.Api, asking: settings.Settings, name: str, until: Until
) -> None:
    hostid = await own.host(door, name)
    await own.item(door, hostid, "known")
    assert await until(lambda: own.accepts(server.trapper, name, "known"))
    async with backend.open(asking) as system:
        await system.snapshot(own.snapshot(name, {"known": 1, "load": 9}))
        newest = own.snapshot(name, {"known": 2, "load": 1})
        await system.snapshot(newest)
        async with system._hosts.get(name, "shop").lock:  # nothing is sent until its trigger is there
            itemid = await own.item(door, hostid, "load")
            made = {"description": name, "expression": f"last(/{name}/load)>5"}
            (triggerid,) = (await door.call("trigger.create", made))["triggerids"]
            await asyncio.sleep(3)  # the server reads its configuration once a second
        assert [at for at, _ in await until(lambda: stored(door, itemid))] == [newest.time_ns]

        again = own.snapshot(name, {"known": 0, "load": 9}, newest.time_ns - 10**9)
        found = await system.snapshot(again)  # as after a redelivery
        assert (found.processed, found.refused) == (1, 1)
        assert "older than what was sent before, and their item has a trigger" in found.detail
    (trigger,) = await door.call(
        "trigger.get", {"triggerids": [triggerid], "output": ["value", "lastchange"]}
    )
    assert (trigger["value"], trigger["lastchange"]) == ("0", "0")


async def test_a_disabled_host_is_named(
    server: Server, door: api.Api, either: settings.Settings, name: str, until: Until
) -> None:
    hostid = await own.host(door, name)
    await own.item(door, hostid, "good")
    assert await until(lambda: own.accepts(server.trapper, name, "good"))
    await door.call("host.update", {"hostid": hostid, "status": 1})

    async def closed() -> bool:
        return not await own.accepts(server.trapper, name, "good")

    assert await until(closed)
    async with backend.open(either) as system:
        found = await system.snapshot(own.snapshot(name, {"good": 1}))
    assert (found.processed, found.refused) == (0, 1)
    assert found.detail == "1 are of a host that is disabled"


async def test_single_values_are_asked_about_where_nothing_else_explains_them(
    server: Server,
    door: api.Api,
    asking: settings.Settings,
    name: str,
    until: Until,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hosts, "YOUNG", 0.0)
    hostid = await own.host(door, name)
    await own.item(door, hostid, "good", trapper_hosts="127.0.0.1")
    await own.item(door, hostid, "bad", trapper_hosts="192.0.2.1")
    assert await until(lambda: own.accepts(server.trapper, name, "good"))
    async with backend.open(asking) as system:
        found = await system.snapshot(own.snapshot(name, {"good": 1, "bad": 1}))
    assert (found.processed, found.refused, found.parked) == (1, 1, 0)
    said = "Connection source address is not in item's allowed hosts list." if door.seven else "not say why"
    assert said in found.detail


async def test_a_token_that_is_revoked_costs_no_value(
    server: Server, door: api.Api, asking: settings.Settings, name: str, until: Until, token: Path
) -> None:
    hostid = await own.host(door, name)
    await own.item(door, hostid, "good")
    assert await until(lambda: own.accepts(server.trapper, name, "good"))
    async with backend.open(asking) as system:
        await system._door()
        found = await door.call("token.get", {"output": ["tokenid"], "token": token.read_text()})
        await door.call("token.delete", [one["tokenid"] for one in found])
        found = await system.snapshot(own.snapshot(name, {"good": 1, "nowhere": 1}))
    assert (found.processed, found.parked) == (1, 1)


async def test_the_list_of_active_checks_names_no_trapper_item(
    server: Server, door: api.Api, name: str, until: Until
) -> None:
    """So without the API it could not tell which keys are known, and refused values are searched by parts."""
    hostid = await own.host(door, name)
    await own.item(door, hostid, "taken")
    await own.item(door, hostid, "agent.active", type=7, delay="60s")  # the last: it is known, so all are
    request = framing.pack(packets.registration(name, "concierge"))

    async def listed() -> list[str]:
        reply = await trapper.Trapper([server.trapper], 5)._ask(name, request)
        return [one["key"] for one in reply.get("data", ())]

    async def told() -> bool:
        return bool(await listed())

    assert await until(told)
    assert await own.accepts(server.trapper, name, "taken")
    assert await listed() == ["agent.active"]


async def test_what_never_gets_an_item_is_given_up_and_counted(
    server: Server,
    door: api.Api,
    asking: settings.Settings,
    name: str,
    until: Until,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parked, "FIRST", 0.05)
    hostid = await own.host(door, name)
    await own.item(door, hostid, "good")
    assert await until(lambda: own.accepts(server.trapper, name, "good"))
    async with backend.open(asking) as system:
        monkeypatch.setattr(system._delivery._delay, "patience", lambda: 0.1)
        assert (await system.snapshot(own.snapshot(name, {"good": 1, "nowhere": 1}))).parked == 1
        account = system._hosts.get(name, "shop").account

        async def given_up() -> bool:
            return "nowhere" in account.given_up

        assert await until(given_up)
        found = await system.snapshot(own.snapshot(name, {"good": 2, "nowhere": 2}))
        assert (found.processed, found.parked, found.undiscovered) == (1, 0, 1)
        assert found.detail == "1 have no item"
        monkeypatch.setattr(delivery, "RETRY", 0.1)
        await own.item(door, hostid, "nowhere")

        async def back() -> bool:
            return (await system.snapshot(own.snapshot(name, {"good": 3, "nowhere": 3}))).processed == 2

        assert await until(back)
        monkeypatch.undo()
        again = await system.snapshot(own.snapshot(name, {"good": 4, "nowhere": 4}))
        assert (again.processed, account.given_up) == (2, {})


async def test_a_host_behind_a_proxy_is_named(
    server: Server, door: api.Api, asking: settings.Settings, name: str, until: Until
) -> None:
    hostid = await own.host(door, name)
    await own.item(door, hostid, "good")
    assert await until(lambda: own.accepts(server.trapper, name, "good"))
    proxy = {"name": name, "operating_mode": 0} if door.seven else {"host": name, "status": 5}
    (proxyid,) = (await door.call("proxy.create", proxy))["proxyids"]
    behind = {"monitored_by": 1, "proxyid": proxyid} if door.seven else {"proxy_hostid": proxyid}
    await door.call("host.update", {"hostid": hostid, **behind})

    async def closed() -> bool:
        return not await own.accepts(server.trapper, name, "good")

    assert await until(closed)
    async with backend.open(asking) as system:
        found = await system.snapshot(own.snapshot(name, {"good": 1}))
    assert (found.processed, found.refused) == (0, 1)
    assert "a proxy monitors: name the proxy in monitoring.zabbix.servers" in found.detail
