"""The server is upgraded from 6.0 to 7.0 under our feet: what we made is there, and the loop is closed again by `apply`."""

import asyncio
import secrets
from contextlib import AsyncExitStack

from concierge_backends.zabbix import api, names, provision
from concierge_backends.zabbix.provision.library import document
from concierge_proto import settings
from tests.integration.zabbix import own
from tests.integration.zabbix.conftest import SECRET
from tests.peers import frontend, install, place, process, zabbix

PATIENCE = 100
"""Seconds for the change of the database's schema, which the new server makes when it starts."""


def config(url: str, service: str) -> settings.Settings:
    threshold = {"name": "High load", "metric": "gauge[load,value]", "above": 4.0, "action": "scale_out 1"}
    tree = {
        "monitoring": {"backends": ["zabbix"], "zabbix": {"api_url": url}},
        "targets": {"shop": {"kind": "compose", "project": "shop"}},
        "services": {service: {"target": "shop", "max": 5, "triggers": [threshold]}},
    }
    return settings.parse(tree, "test")


async def apply(found: settings.Settings, *, dry_run: bool = False) -> list[provision.Change]:
    return await provision.apply(
        found,
        user=own.LOGIN.user,
        password=own.LOGIN.password,
        gateway_url="http://127.0.0.1:9",
        secret=SECRET,
        dry_run=dry_run,
    )


async def upgraded(old: own.Own, stack: AsyncExitStack) -> zabbix.Server:
    """Start the server and the front end of 7.0 on the database of a 6.0, which is stopped."""
    root = await install.provide(place.here(), install.ZABBIX)
    room = old.server.room.parent / "upgraded"
    room.mkdir()
    room.chmod(0o711)
    await old.server.kill()
    # One that was killed counts as running for a minute.
    await old.server.cluster.sql("update ha_node set status = 1", "zabbix")
    server = zabbix.Server(root, room, stack, old.server.cluster, process.free_port(), {})
    async with asyncio.timeout(PATIENCE):
        await server.serve()
        server.address = await frontend.start(root, room, stack, old.server.cluster, server.port)
    return server


async def test_what_we_made_survives_and_apply_brings_it_up_to_date() -> None:
    service = f"t{secrets.token_hex(4)}"
    async with own.running("zabbix60") as old, AsyncExitStack() as stack:
        before = config(old.server.address, service)
        made = await apply(before)
        new = await upgraded(old, stack)
        after = config(new.address, service)
        found = await apply(after, dry_run=True)
        # The new version's own item, and the trigger that reads it; everything else was found again.
        created = {(one.kind, one.name) for one in found if one.change == "create"}
        assert created == {("item", "zabbix[host,active_agent,available]")}
        kept = {(one.kind, one.name) for one in found if one.change != "create"}
        # What was a host group of templates alone is a template group now.
        assert {(one.kind, one.name) for one in made} - kept == {("host group", document.GROUP)}
        await apply(after)
        assert {one.change for one in await apply(after, dry_run=True)} == {"none"}
        async with api.connect(new.address, own.LOGIN) as door:
            assert door.seven
            (action,) = await door.call(
                "action.get",
                {"filter": {"name": [f"Concierge {service}: High load"]}, "selectFilter": "extend"},
            )
            (trigger,) = await door.call(
                "trigger.get", {"host": names.service_host(after, service), "output": ["triggerid"]}
            )
        assert await provision.destroy(after, login=own.LOGIN)
        assert not await provision.destroy(after, login=own.LOGIN)
        assert (action["status"], action["filter"]["conditions"][0]["value"]) == ("0", trigger["triggerid"])
