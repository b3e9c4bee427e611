"""A Zabbix server of a test's own: it may be killed, and its database asked."""

import asyncio
import contextlib
import os
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from typing import NamedTuple

import pytest

from concierge_backends.zabbix import api, packets, trapper
from concierge_proto import messages, settings
from tests import peer
from tests.peers import house, install, place, process, zabbix

BUNDLES = {"zabbix": install.ZABBIX, "zabbix60": install.ZABBIX60}
LOGIN = api.Login(user=zabbix.USER, password=zabbix.PASSWORD)


class Own(NamedTuple):
    """The server, and an administrator's session."""

    server: zabbix.Server
    door: api.Api

    @property
    def node(self) -> str:
        return f"127.0.0.1:{self.server.port}"

    async def rows(self, time_ns: int, table: str = "history") -> tuple[int, int]:
        """How many values of this time are stored, and of how many items."""
        clock, ns = divmod(time_ns, 10**9)
        counted = f"select count(*), count(distinct itemid) from {table} where clock = {clock} and ns = {ns}"  # noqa: S608
        stored, items = (await self.server.cluster.sql(counted, "zabbix")).strip().split("|")
        return int(stored), int(items)

    @contextlib.asynccontextmanager
    async def jammed(self) -> AsyncIterator[None]:
        """Nothing of what the server accepts reaches its history."""
        hold = "begin; lock table history in exclusive mode; select pg_sleep(100)"
        held = asyncio.create_task(self.server.cluster.sql(hold, "zabbix"))
        try:
            while not await self._sleeping("pid"):
                await asyncio.sleep(0.05)
            yield
        finally:
            await self._sleeping("pg_terminate_backend(pid)")
            await asyncio.gather(held, return_exceptions=True)

    async def _sleeping(self, what: str) -> str:
        where = "from pg_stat_activity where query like 'begin; lock%' and wait_event = 'PgSleep'"
        return await self.server.cluster.sql(f"select {what} {where}", "zabbix")


@contextlib.asynccontextmanager
async def running(version: str, more: Mapping[str, object] | None = None) -> AsyncIterator[Own]:
    """Start one; skip with the reason where it cannot be had, fail there with CI=true."""
    peer.need(version)
    at = place.here()
    async with AsyncExitStack() as stack:
        room = stack.enter_context(house.room(at))
        (room / "zabbix").mkdir()
        (room / "zabbix").chmod(0o711)
        try:
            server = await zabbix.start(at, BUNDLES[version], room / "zabbix", stack, more)
        except process.Unavailable as problem:
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"no {version}: {problem}")
        yield Own(server, await stack.enter_async_context(api.connect(server.address, LOGIN)))


def trapper_of(version: str) -> str:
    """Address of the shared server of this version."""
    return os.environ[f"PEER_{version.upper()}_TRAPPER"]


async def host(door: api.Api, name: str, **more: object) -> str:
    """Make a host in a group of its own; return its id."""
    (group,) = (await door.call("hostgroup.create", {"name": name}))["groupids"]
    made = await door.call("host.create", {"host": name, "groups": [{"groupid": group}], **more})
    return str(made["hostids"][0])


async def item(door: api.Api, hostid: str, key: str, **more: object) -> str:
    """Make a trapper item for numbers; return its id."""
    doc = {"hostid": hostid, "key_": key, "name": key, "type": 2, "value_type": 0, **more}
    return str((await door.call("item.create", doc))["itemids"][0])


async def token(door: api.Api) -> str:
    """Make a token of the administrator's."""
    (me,) = await door.call("user.get", {"filter": {"username": [zabbix.USER]}})
    made = await door.call("token.create", {"name": secrets.token_hex(4), "userid": me["userid"]})
    return str((await door.call("token.generate", made["tokenids"]))[0]["token"])


async def accepts(node: str, name: str, *keys: str) -> bool:
    """Whether the server has read the configuration in which these items are."""
    rows = [packets.row(name, key, 0, time.time_ns()) for key in keys]
    return await trapper.Trapper([node], 5).deliver(name, rows) == len(rows)


def config(node: str, **more: object) -> settings.Settings:
    """Instances are hosts by their own names."""
    return settings.parse({"monitoring": {"zabbix": {"servers": [node], **more}}}, "test")


def snapshot(
    instance: str, values: Mapping[str, messages.Value], time_ns: int | None = None
) -> messages.Snapshot:
    """One whose metrics are whole keys."""
    block = messages.Block(kind="item", fields=("value",), names=tuple(values), values=tuple(values.values()))
    return messages.Snapshot(
        service="shop",
        instance=instance,
        time_ns=time_ns or time.time_ns(),
        seq=1,
        boot="b1",
        blocks=(block,),
    )
