"""What the backend says to a server that answers as real ones did."""

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from concierge_backends import port
from concierge_backends.zabbix import backend, delivery, hosts, parked
from concierge_proto import errors, messages, metric, settings
from tests.unit.zabbix import trappers

TREE: dict[str, Any] = {
    "targets": {"shop": {"kind": "compose", "project": "shop"}},
    "services": {
        "web": {
            "target": "shop",
            "max": 5,
            "triggers": [
                {"name": "High", "metric": "gauge[load,value]", "above": 4.0, "action": "scale_out 1"}
            ],
        }
    },
}


@contextlib.asynccontextmanager
async def opened(answer: trappers.Answer) -> AsyncIterator[tuple[backend.Backend, trappers.Trapper]]:
    async with trappers.trapper(answer) as fake:
        monitoring = {"zabbix": {"servers": [fake.address]}}
        async with backend.open(settings.parse({**TREE, "monitoring": monitoring}, "test")) as system:
            yield system, fake


def snapshot(*values: messages.Value, seq: int = 1, time_ns: int | None = None) -> messages.Snapshot:
    names = tuple(f"g{number}" for number in range(len(values)))
    block = messages.Block(kind="gauge", fields=("value",), names=names, values=values)
    return messages.Snapshot(
        service="web",
        instance="web-1",
        time_ns=time_ns or time.time_ns(),
        seq=seq,
        boot="b1",
        blocks=(block,),
    )


def heartbeat(state: int = 1, **more: Any) -> messages.Heartbeat:
    return messages.Heartbeat(
        service="web", instance="web-1", time_ns=time.time_ns(), boot="b1", state=state, version="0.1", **more
    )


class Server:
    """Takes the keys it has items for, once the host is registered."""

    def __init__(self, *keys: str) -> None:
        self.keys = set(keys)
        self.registered: list[str] = []
        self.taken: list[dict[str, Any]] = []
        self.taking = asyncio.Event()

    def __call__(self, request: dict[str, Any]) -> bytes:
        if request["request"] == "active checks":
            self.registered.append(request["host_metadata"])
            return trappers.reply(response="failed", info="host [web-1] not found")
        taken = [row for row in request["data"] if self.registered and row["key"] in self.keys]
        self.taken += taken
        if taken:
            self.taking.set()
        return trappers.counted(len(taken), len(request["data"]) - len(taken))


async def test_an_instance_is_registered_before_its_first_value() -> None:
    server = Server("gauge[g0,value]")
    async with opened(server) as (system, fake):
        assert await system.snapshot(snapshot(1)) == port.Delivered(1, 0, 1)
        assert await system.snapshot(snapshot(2)) == port.Delivered(1, 0, 1)
    assert fake.kinds() == ["active checks", "sender data", "sender data"]
    assert server.registered == ["concierge service=web boot=b1"]


async def test_a_receipt_adds_up_and_says_why() -> None:
    async with opened(Server("gauge[g0,value]")) as (system, _):
        found = await system.snapshot(snapshot(1, math.nan, "text", 4))
    assert found[:3] == (1, 3, 4)
    assert found.detail == (
        "1 are not a finite number; 1 are text where a number belongs; "
        "1 have no item yet: they will be sent once more"
    )


async def test_an_absurd_time_is_never_sent() -> None:
    async with opened(Server("gauge[g0,value]")) as (system, fake):
        found = await system.snapshot(snapshot(1, time_ns=1))
    assert found[:3] == (0, 1, 1)
    assert "is no time of now" in found.detail
    assert not fake.requests


async def test_an_absurd_time_of_a_state_or_a_discovery_is_never_sent_either() -> None:
    discovery = messages.Discovery(service="web", instance="web-1", time_ns=0, boot="b1", kinds={})
    async with opened(Server("container.state")) as (system, fake):
        with pytest.raises(errors.Malformed, match=r"web/web-1: its time, 0 ns, .* check its clock"):
            await system.heartbeat(msgspec.structs.replace(heartbeat(0), time_ns=0))
        with pytest.raises(errors.Malformed, match="is no time of now"):
            await system.discovery(discovery)
    assert not fake.requests


async def test_values_of_a_new_instance_come_once_more_with_their_own_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parked, "FIRST", 0.01)
    server = Server()
    async with opened(server) as (system, _):
        sent = snapshot(1, 2)
        assert (await system.snapshot(sent)).processed == 0
        server.keys = {"gauge[g0,value]", "gauge[g1,value]"}
        async with asyncio.timeout(5):
            await server.taking.wait()
    clocks = {(row["clock"], row["ns"]) for row in server.taken}
    assert clocks == {divmod(sent.time_ns, 10**9)}


async def test_a_host_that_is_not_there_is_tried_with_its_state_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parked, "FIRST", 0.01)
    server = Server()
    async with opened(server) as (system, fake):
        await system.heartbeat(heartbeat())
        await system.snapshot(snapshot(1))
        before = len(fake.requests)
        async with asyncio.timeout(30):
            while len(fake.requests) < before + 3:
                await asyncio.sleep(0.01)
        tried = [row["key"] for request in fake.requests[before:] for row in request.get("data", ())]
        assert set(tried) == {"container.state", "container.state.reason"}
        server.keys = {"container.state", "container.state.reason", "gauge[g0,value]"}
        async with asyncio.timeout(30):
            while "gauge[g0,value]" not in {row["key"] for row in server.taken}:
                await asyncio.sleep(0.01)


async def test_the_newest_values_of_each_key_wait_and_come_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parked, "FIRST", 0.05)
    server = Server()
    async with opened(server) as (system, _):
        for number in range(1, 6):
            await system.snapshot(snapshot(number, seq=number))
        server.keys = {"gauge[g0,value]"}
        async with asyncio.timeout(5):
            await server.taking.wait()
            await asyncio.gather(*system._delivery._parked._tasks.values())
    assert [row["value"] for row in server.taken] == [
        "3",
        "3",
        "4",
        "5",
    ]  # the first one tries whether it may


async def test_discovery_goes_first_and_waits_for_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parked, "FIRST", 0.01)
    server = Server()
    discovery = messages.Discovery(
        service="web",
        instance="web-1",
        time_ns=time.time_ns(),
        boot="b1",
        kinds={"gauge": ("a", "b,c")},
        facts={"courier": "0.1"},
    )
    async with opened(server) as (system, _):
        await system.discovery(discovery)
        server.keys = {"concierge.discovery[gauge]"}
        async with asyncio.timeout(5):
            await server.taking.wait()
    assert server.registered == ["concierge service=web courier=0.1 boot=b1"]
    assert server.taken[0]["value"] == '[{"{#NAME}":"a"},{"{#NAME}":"b,c"}]'


async def test_a_state_goes_with_its_reason() -> None:
    async with opened(Server("container.state", "container.state.reason")) as (system, fake):
        await system.heartbeat(heartbeat())
        await system.heartbeat(heartbeat(0, reason="exited", exit_code=3))
    assert [(row["key"], row["value"]) for row in fake.values()] == [
        ("container.state", "1"),
        ("container.state.reason", "running"),
        ("container.state", "0"),
        ("container.state.reason", "exited (exit code 3)"),
    ]


async def test_a_new_life_is_registered_anew() -> None:
    server = Server("gauge[g0,value]")
    async with opened(server) as (system, _):
        await system.snapshot(snapshot(1))
        await system.snapshot(msgspec.structs.replace(snapshot(1), boot="b2"))
    assert server.registered == ["concierge service=web boot=b1", "concierge service=web boot=b2"]


async def test_a_host_that_vanished_is_registered_with_another_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "FIRST_PAUSE", 0.0)
    server = Server("gauge[g0,value]")
    async with opened(server) as (system, _):
        await system.snapshot(snapshot(1))
        server.keys = set()
        await system.snapshot(snapshot(2))
    assert server.registered == ["concierge service=web boot=b1", "concierge service=web boot=b1 again=1"]


async def test_aggregates_go_to_the_service_that_has_items_for_them() -> None:
    load = port.Aggregate(metric.Metric("gauge", "load", "value"), 2, 3.5, 7.0, 3.0, 4.0)
    other = port.Aggregate(metric.Metric("gauge", "other", "value"), 2, 1.0, 2.0, 1.0, 1.0)
    async with opened(trappers.accepting) as (system, fake):
        await system.aggregates(port.Aggregates("web", time.time_ns(), 3, 2, (load, other)))
    assert [(row["host"], row["key"], row["value"]) for row in fake.values()] == [
        ("service web", "service.heard", "3"),
        ("service web", "service.running", "2"),
        ("service web", "service.avg[gauge,load,value]", "3.5"),
    ]


async def test_a_service_without_a_host_is_warned_about_once(caplog: pytest.LogCaptureFixture) -> None:
    async with opened(Server()) as (system, _):
        for _ in range(3):
            await system.aggregates(port.Aggregates("web", time.time_ns(), 3, 2, ()))
    assert [record.getMessage() for record in caplog.records] == [
        "host service web: 2 of 2 values have no item: run `concierge zabbix apply`"
    ]


async def test_open_problems_need_an_api() -> None:
    async with opened(trappers.accepting) as (system, _):
        with pytest.raises(errors.Permanent, match="api_url and api_token_file"):
            await system.problems("zabbix")


async def test_a_server_that_is_away_is_temporary() -> None:
    async with opened(lambda _: None) as (system, _):
        with pytest.raises(errors.Temporary, match="Zabbix is away"):
            await system.snapshot(snapshot(1))


def test_hosts_that_take_nothing_are_announced_ever_more_seldom() -> None:
    host = hosts.Host("web-1", "web")
    assert host.due(0.0)
    host.announced(0.0)
    assert [host.due(2.0), host.due(3.0)] == [False, True]
    host.announced(3.0)
    assert [host.due(8.0), host.due(9.0)] == [False, True]
    for _ in range(30):
        host.announced(30.0)
    assert [host.due(629.0), host.due(630.0)] == [False, True]
    host.accepted()
    assert host.due(40.0)


def test_hosts_are_bounded() -> None:
    found = hosts.Hosts(most=2)
    first = found.get("a", "web")
    found.get("b", "web")
    assert found.get("a", "web") is first
    found.get("c", "web")
    assert found.get("a", "web") is first
    assert set(found._found) == {"c", "a"}


async def test_values_that_wait_are_bounded_and_counted_when_they_are_given_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(delivery, "MOST", 2)
    async with opened(Server()) as (system, _):
        first = await system.snapshot(snapshot(1, 2))
        second = await system.snapshot(snapshot(1, 2, seq=2))
    assert (first.parked, first.undiscovered) == (2, 0)
    assert (second.parked, second.undiscovered) == (0, 2)
    assert "2 values that waited for their items are given up" in caplog.text


async def test_a_packet_that_is_refused_for_good_says_why() -> None:
    def answer(request: dict[str, Any]) -> bytes:
        return trappers.reply(response="failed", info="connection of type unencrypted is not allowed")

    async with opened(answer) as (system, _):
        with pytest.raises(errors.Permanent, match="connection of type unencrypted is not allowed"):
            await system.snapshot(snapshot(1))


async def test_an_old_value_by_which_a_service_is_scaled_is_held_back() -> None:
    block = messages.Block(kind="gauge", fields=("value",), names=("load", "other"), values=(9, 9))
    newest = msgspec.structs.replace(snapshot(), blocks=(block,))
    late = msgspec.structs.replace(newest, time_ns=newest.time_ns - 10**9)
    async with opened(Server("gauge[load,value]", "gauge[other,value]")) as (system, _):
        assert (await system.snapshot(newest)).processed == 2
        assert (await system.snapshot(newest)).processed == 2  # once more, with the same time
        found = await system.snapshot(late)
    assert (found.processed, found.refused) == (1, 1)
    assert found.detail == "1 are older than what was sent before, and their item has a trigger"
