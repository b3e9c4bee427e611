"""Data that vanishes while its problem is open: the problem ends, and what comes later is a new one."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from concierge_backends import port
from concierge_backends.zabbix import api, backend, names, packets, trapper
from concierge_backends.zabbix.provision import services
from concierge_proto import messages, settings
from tests.integration.zabbix.conftest import Apply, Gateway, Server, Until
from tests.integration.zabbix.test_loop import load, mine, nothing, read


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "SILENT", "3s")


async def opened(system: backend.Backend, gateway: Gateway, service: str) -> messages.Trigger:
    """Tell until it opens: one value may be silence already before a busy server has looked at it."""
    problem = await told(gateway, service, lambda: system.aggregates(load(service, 5.0)))
    assert (problem.status, problem.action) == ("problem", "scale_out 1")
    return problem


async def told(gateway: Gateway, service: str, tell: Callable[[], Awaitable[object]]) -> messages.Trigger:
    """Tell until the next webhook comes."""
    waiting = asyncio.create_task(gateway.next(service, 60))
    while not waiting.done():
        await tell()
        await asyncio.wait({waiting}, timeout=0.5)
    return read(await waiting)


def heard(service: str) -> port.Aggregates:
    """One instance, which measures nothing."""
    return port.Aggregates(service, time.time_ns(), 1, 1, ())


async def test_a_metric_that_is_measured_no_longer_ends_its_problem(
    ready: Apply, config: settings.Settings, service: str, gateway: Gateway, until: Until
) -> None:
    await ready(gateway.url)
    async with backend.open(config) as system:
        problem = await opened(system, gateway, service)
        end = await told(gateway, service, lambda: system.aggregates(heard(service)))
        assert (end.status, end.event_id) == ("resolved", problem.event_id)
        assert await until(lambda: nothing(system, service))
        assert (await opened(system, gateway, service)).event_id != problem.event_id


async def test_so_does_one_whose_item_takes_no_value_any_more(
    ready: Apply, config: settings.Settings, service: str, server: Server, gateway: Gateway, door: api.Api
) -> None:
    """Zabbix calls the trigger unknown, and would go on with its steps."""
    await ready(gateway.url)
    host, key = names.service_host(config, service), names.watched(config.services[service].triggers[0])
    way = trapper.Trapper([server.trapper], 5)
    async with backend.open(config) as system:
        problem = await opened(system, gateway, service)

        async def text() -> None:
            await system.aggregates(heard(service))
            await way.deliver(host, [packets.row(host, key, "abc", time.time_ns())])

        end = await told(gateway, service, text)
        assert (end.status, end.event_id) == ("resolved", problem.event_id)
        (item,) = await door.call("item.get", {"host": host, "filter": {"key_": key}, "output": ["state"]})
        assert item["state"] == "1"


async def test_a_problem_whose_item_was_deleted_is_not_open(
    ready: Apply,
    config: settings.Settings,
    gateway: Gateway,
    door: api.Api,
    until: Until,
) -> None:
    await ready(gateway.url)
    (service,) = config.services
    host, key = names.service_host(config, service), names.watched(config.services[service].triggers[0])
    async with backend.open(config) as system:
        problem = await opened(system, gateway, service)
        assert await until(lambda: mine(system, service))
        (item,) = await door.call("item.get", {"host": host, "filter": {"key_": key}, "output": ["itemid"]})
        await door.call("item.delete", [item["itemid"]])
        assert await until(lambda: nothing(system, service))
        for _ in range(
            2
        ):  # makes the item and its trigger again; the server reads its actions after its items
            await ready(gateway.url)
        again = await told(gateway, service, lambda: system.aggregates(load(service, 5.0)))
        assert (again.status, again.name) == ("problem", problem.name)
        assert again.event_id != problem.event_id
