"""Signs of life on a real server: aggregates that reach their triggers, and the ping through a real gateway."""

import asyncio
import contextlib
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from concierge_backends import port
from concierge_backends.zabbix import api, backend, names
from concierge_cli import nats
from concierge_gateway import run as gateway
from concierge_proto import bus, codec, messages, metric, settings, subjects
from tests.integration.zabbix.conftest import Apply, Until

LOAD = metric.Metric("gauge", "load", "value")
THRESHOLDS: dict[str, dict[str, Any]] = {
    "heard": {"metric": "heard", "below": 3, "action": "scale_out 1"},
    "running": {"metric": "running", "below": 2, "action": "scale_out 1"},
    "avg": {"metric": str(LOAD), "of": "avg", "above": 4, "action": "scale_out 1"},
    "sum": {"metric": str(LOAD), "of": "sum", "above": 9, "action": "scale_out 1"},
    "max": {"metric": str(LOAD), "of": "max", "above": 7, "action": "scale_out 1"},
    "min": {"metric": str(LOAD), "of": "min", "below": 1, "action": "scale_in 1"},
}
QUIET = port.Aggregate(LOAD, 3, 2.0, 6.0, 1.5, 3.0)
HIGH = port.Aggregate(LOAD, 3, 5.0, 15.0, 0.5, 9.0)


def several(config: settings.Settings, service: str) -> settings.Settings:
    """The service, with a threshold of each kind."""
    own = tuple(
        msgspec.convert({"name": f"{name} of {service}", **one}, settings.Threshold)
        for name, one in THRESHOLDS.items()
    )
    changed = msgspec.structs.replace(config.services[service], triggers=own)
    return msgspec.structs.replace(config, services={service: changed})


@pytest.fixture
def config(config: settings.Settings) -> settings.Settings:
    (service,) = config.services
    return several(config, service)


async def test_every_aggregate_reaches_its_trigger(
    ready: Apply, config: settings.Settings, service: str, door: api.Api, until: Until
) -> None:
    await ready()
    host = names.service_host(config, service)

    async def problems() -> set[str]:
        found = await door.call(
            "trigger.get", {"host": host, "filter": {"value": 1}, "output": ["description"]}
        )
        return {one["description"].partition(" ")[0] for one in found} & set(THRESHOLDS)

    async with backend.open(config) as system:
        for heard, running, load, wanted in (
            (3, 3, QUIET, set()),
            (2, 1, HIGH, set(THRESHOLDS)),
            (3, 3, QUIET, set()),
        ):
            # Said again until it shows, as the forwarder does: a trigger may be known later than its item.
            async def shown(
                heard: int = heard,
                running: int = running,
                load: port.Aggregate = load,
                wanted: set[str] = wanted,
            ) -> bool:
                now = time.time_ns()
                await system.aggregates(port.Aggregates(service, now, heard, running, (load,)))
                return await problems() == wanted

            await until(shown)


async def _ping_item(door: api.Api, config: settings.Settings, service: str) -> tuple[str, str]:
    """Make an instance's host that is pinged every second; return the ids of the host and of its item."""
    group = await door.call("hostgroup.get", {"filter": {"name": [names.host_group(config, service)]}})
    template = await door.call("template.get", {"filter": {"host": [names.instance_template(service)]}})
    host = {
        "host": names.instance_host(config, service, "one"),
        "groups": [{"groupid": group[0]["groupid"]}],
        "templates": [{"templateid": template[0]["templateid"]}],
        "macros": [{"macro": "{$CONCIERGE.PING.EVERY}", "value": "1s"}],
    }
    made = await door.call("host.create", host)
    asked = {"hostids": made["hostids"], "filter": {"key_": names.PING}, "output": ["itemid"]}
    (item,) = await door.call("item.get", asked)
    return made["hostids"][0], item["itemid"]


async def test_zabbix_pings_a_courier_and_a_quiet_bus_is_no_answer(
    ready: Apply, config: settings.Settings, service: str, door: api.Api, until: Until, tmp_path: Path
) -> None:
    quick = msgspec.structs.replace(config.services[service], fresh=settings.Duration(0.001))
    own = msgspec.structs.replace(config.gateway, listen="127.0.0.1:0", sources={})
    plain = msgspec.structs.replace(settings.Monitoring(), zabbix=config.monitoring.zabbix)
    served = msgspec.structs.replace(config, services={service: quick}, gateway=own, monitoring=plain)
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(contextlib.AsyncExitStack())
        where = await server.enter_async_context(nats.server(tmp_path / "nats", tmp_path / "run"))
        link = await stack.enter_async_context(bus.connect(settings.Nats(url=where), "test"))
        await bus.provision(link)
        task = asyncio.create_task(gateway.run(served, link, listening=url))
        stack.push_async_callback(_end, task)
        await ready(await url)
        _, item = await _ping_item(door, config, service)

        async def last(**wanted: str) -> bool:
            found = await door.call(
                "item.get", {"itemids": [item], "output": ["lastvalue", "lastclock", "state"]}
            )
            return bool(found[0]["lastclock"] != "0" and wanted.items() <= found[0].items())

        async with link.answering(subjects.ping(service, "one"), lambda: _alive(service)):
            await until(lambda: last(lastvalue="1", state="0"))
        await until(lambda: last(lastvalue="0", state="0"))
        async with link.answering(subjects.ping(service, "one"), lambda: _alive(service)):
            await until(lambda: last(lastvalue="1", state="0"))
            await server.aclose()
            await until(lambda: last(state="1"))  # no value, and the last one stays
            assert await last(lastvalue="1")


def _alive(service: str) -> bytes:
    said = messages.Ping(service=service, instance="one", boot="b1", state=1, time_ns=time.time_ns())
    return codec.encode(said)[0]


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
