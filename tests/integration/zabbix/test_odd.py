"""What Zabbix sends of an escalation that was cut off, and after a maintenance: on a server of its own, since it takes a minute."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from concierge_backends.zabbix import backend, names, provision
from concierge_proto import messages, settings
from tests import synced
from tests.integration.zabbix import own
from tests.integration.zabbix.conftest import SECRET, Gateway, Until
from tests.integration.zabbix.test_loop import load, read
from tests.peers import zabbix

SERVICES = ("cut", "kept")
LONG = 150
"""Seconds: Zabbix's steps are a minute apart, and it looks at its maintenances twice a minute."""
pytestmark = pytest.mark.timeout(400)


@pytest.fixture(
    params=[
        pytest.param("zabbix", marks=pytest.mark.xdist_group("odd")),
        pytest.param("zabbix60", marks=pytest.mark.xdist_group("odd60")),
    ]
)
async def mine(request: pytest.FixtureRequest) -> AsyncIterator[own.Own]:
    async with own.running(request.param) as found:
        yield found


@pytest.fixture
async def config(mine: own.Own, gateway: Gateway) -> settings.Settings:
    """Two services, set up on it."""
    threshold = {"metric": "gauge[load,value]", "above": 4.0, "recovers": 2.0, "action": "scale_out 1"}
    tree = {
        "monitoring": {
            "backends": ["zabbix"],
            "zabbix": {"servers": [mine.node], "api_url": mine.server.address},
        },
        "gateway": {"sources": {"zabbix": {"kind": "zabbix"}}},
        "targets": {"shop": {"kind": "compose", "project": "shop"}},
        "services": {
            name: {"target": "shop", "max": 3, "triggers": [{"name": f"High load of {name}", **threshold}]}
            for name in SERVICES
        },
    }
    found = settings.parse(tree, "test")
    await provision.apply(
        found, user=zabbix.USER, password=zabbix.PASSWORD, gateway_url=gateway.url, secret=SECRET
    )
    for name in SERVICES:
        await synced.synced(mine.door, mine.node, names.service_host(found, name))
    return found


async def one(mine: own.Own, what: str, **wanted: Any) -> dict[str, Any]:
    (found,) = await mine.door.call(f"{what}.get", {"output": "extend", **wanted})
    return dict(found)


async def told(gateway: Gateway, *services: str) -> dict[str, messages.Trigger]:
    """The next webhook of each of these services."""
    found: dict[str, messages.Trigger] = {}
    async with asyncio.timeout(LONG):
        while found.keys() != set(services):
            trigger = read(await gateway.hooks.get())
            found.setdefault(trigger.service, trigger)
    return found


async def test_a_cut_off_escalation_acts_no_more_and_one_after_a_maintenance_does(
    mine: own.Own, config: settings.Settings, gateway: Gateway, until: Until
) -> None:
    door = mine.door
    rule = await one(mine, "action", search={"name": "High load of cut"})
    await door.call(
        "action.update", {"actionid": rule["actionid"], "notify_if_canceled": 1}
    )  # somebody's own way
    host = await one(mine, "host", filter={"host": names.service_host(config, "kept")})
    began = int(time.time())
    period = {"timeperiod_type": 0, "start_date": began, "period": 3600}
    quiet = {"active_since": began, "active_till": began + 3600, "hosts": [{"hostid": host["hostid"]}]}
    made = await door.call("maintenance.create", {"name": "quiet", **quiet, "timeperiods": [period]})

    async def maintained() -> bool:
        return str((await one(mine, "host", hostids=host["hostid"]))["maintenance_status"]) == "1"

    await until(maintained)
    async with backend.open(config) as system:
        for name in SERVICES:
            await system.aggregates(load(name, 5.0))

        async def suppressed() -> list[dict[str, Any]]:
            return list(await door.call("problem.get", {"hostids": host["hostid"], "suppressed": True}))

        first = (await told(gateway, "cut"))["cut"]
        (hidden,) = await until(suppressed)
        event = await one(mine, "event", eventids=first.event_id)
        await door.call("trigger.update", {"triggerid": event["objectid"], "status": 1})
        await door.call("maintenance.delete", made["maintenanceids"])
        seen = await told(gateway, *SERVICES)
    assert (seen["cut"].verdict, seen["cut"].event_id) == ("canceled", first.event_id)
    assert (seen["kept"].verdict, seen["kept"].event_id) == ("", hidden["eventid"])
    assert seen["kept"].action == "scale_out 1"
