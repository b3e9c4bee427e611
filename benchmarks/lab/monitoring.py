"""A real Zabbix, set up by `concierge zabbix apply`, and then with items for 11 of 17 values."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator

from benchmarks.lab import documents
from concierge_backends.zabbix import api, provision
from concierge_backends.zabbix.provision.library import enfield
from concierge_proto import settings

PATIENCE = 240.0
"""Seconds until all items are there."""


@contextlib.asynccontextmanager
async def prepared(config: settings.Settings) -> AsyncIterator[api.Api]:
    """Set the server up and give a session with it."""
    user, password = os.environ["PEER_ZABBIX_USER"], os.environ["PEER_ZABBIX_PASSWORD"]
    await provision.apply(
        config, user=user, password=password, gateway_url="http://127.0.0.1:9", secret="0123456789abcdef" * 2
    )
    async with api.connect(config.monitoring.zabbix.api_url, api.Login(user=user, password=password)) as door:
        await _trim(door)
        yield door


async def _trim(door: api.Api) -> None:
    """Take away the item prototypes that the article's server did not have."""
    (made,) = await door.call("template.get", {"filter": {"host": enfield.NAME}})
    found = await door.call("itemprototype.get", {"hostids": [made["templateid"]], "output": ["key_"]})
    kept = {f"timer[{{#NAME}},{field}]" for field in documents.WITH_ITEMS}
    await door.call("itemprototype.delete", [one["itemid"] for one in found if one["key_"] not in kept])


async def discovered(door: api.Api, host: str, names: int) -> int:
    """Wait until a host has all its items; return how many."""
    wanted = names * len(documents.WITH_ITEMS)
    async with asyncio.timeout(PATIENCE):
        while True:
            question = {"host": host, "search": {"key_": "timer["}, "countOutput": True}
            found = int(await door.call("item.get", question))
            if found == wanted:
                return found
            await asyncio.sleep(2)
