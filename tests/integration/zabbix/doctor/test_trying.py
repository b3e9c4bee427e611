"""A value of the doctor's own, from the trapper port of a real server to a real gateway."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from concierge_backends.zabbix import doctor
from concierge_backends.zabbix.doctor import bench, probe
from concierge_gateway import run as gateway
from concierge_proto import bus, messages, settings
from tests.integration.zabbix.conftest import SECRET, Apply
from tests.integration.zabbix.doctor.ward import SOUND, Ward


@contextlib.asynccontextmanager
async def serving(config: settings.Settings, link: bus.Bus, secret: str) -> AsyncIterator[str]:
    """Run a real gateway with that secret; yields its URL."""
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    running = gateway.run(config, link, secrets={"zabbix": [secret]}, listening=url, problems={})
    task = asyncio.create_task(running)
    try:
        yield await url
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def at_any_port(config: settings.Settings) -> settings.Settings:
    listening = msgspec.structs.replace(config.gateway, listen="127.0.0.1:0")
    return msgspec.structs.replace(config, gateway=listening)


async def try_it(ward: Ward, **changed: Any) -> dict[str, doctor.Finding]:
    found = await probe.examine(ward.door, ward.patient._replace(**changed))
    return {one.check: one for one in found}


async def test_a_value_travels_to_the_gateway_and_asks_for_nothing(
    ward: Ward, apply: Apply, link: bus.Bus
) -> None:
    async with serving(at_any_port(ward.patient.config), link, SECRET) as url:
        SOUND.clear()
        await apply(url)
        found = await try_it(ward, hook=f"{url}/webhooks/zabbix")
        further = await try_it(ward, cluster="second")
    values = [("configuration delay", "ok"), ("history tables", "ok"), ("clocks", "ok")]
    assert [(one.check, one.state) for one in found.values()] == [*values, ("round trip", "ok")], found
    assert [(one.check, one.state) for one in further.values()] == values
    events = [delivery async for delivery in link.history("EVENTS", "concierge.v1.event.*.trigger")]
    assert {delivery.read(messages.Trigger).verdict for delivery in events} == {"test"}
    assert all(not delivery.read(messages.Trigger).commands for delivery in events)
    assert await left_over(ward) == []


async def left_over(ward: Ward) -> list[Any]:
    found: list[Any] = await ward.door.call("item.get", {"search": {"key_": bench.KEY}})
    found += await ward.door.call("trigger.get", {"filter": {"description": bench.NAME}})
    found += await ward.door.call("action.get", {"filter": {"name": bench.NAME}})
    return found


async def test_a_secret_that_the_gateway_does_not_know_is_found_by_trying(
    ward: Ward, apply: Apply, link: bus.Bus
) -> None:
    async with serving(at_any_port(ward.patient.config), link, "f" * 32) as url:
        SOUND.clear()
        await apply(url)
        trip = (await try_it(ward))["round trip"]
    assert trip.state == "broken"
    assert "Concierge answered 401" in trip.detail
    assert trip.remedy.startswith("Zabbix signs with another secret than the gateway's secret_file holds")


async def test_clocks_that_differ_are_told_and_so_is_a_gateway_that_is_away(ward: Ward) -> None:
    found = await try_it(ward, clock=lambda: time.time() - 90)
    assert found["clocks"].state == "broken"
    assert found["clocks"].detail.startswith("Zabbix's clock is 9")
    assert "s ahead of ours: fresh values look old" in found["clocks"].detail
    assert found["round trip"].state == "broken"
    assert found["round trip"].remedy == (
        f"see that the gateway runs, and that the Zabbix server reaches {ward.patient.hook}"
    )
    assert await left_over(ward) == []
