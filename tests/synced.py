"""Waits for a Zabbix server to read its configuration, of which it tells nobody."""

import asyncio
import secrets
import time

from concierge_backends.zabbix import api, packets, trapper
from concierge_backends.zabbix.provision import elements


async def synced(door: api.Api, port: str, host: str) -> None:
    """Return when the server takes a value for an item made just now, on this host.

    It has read the hosts, items and triggers made before; actions and macros after the next time alone.
    """
    key, sender = f"mark.{secrets.token_hex(4)}", trapper.Trapper([port], 5)
    (made,) = await door.call("host.get", {"filter": {"host": host}})
    await door.call("item.create", elements.item(made["hostid"], key, key))
    async with asyncio.timeout(60):
        while not await sender.deliver(host, [packets.row(host, key, 1, time.time_ns())]):
            await asyncio.sleep(0.1)
    await sender.close()
