"""Thousands of instances that live for a moment: what stays of them in Zabbix, in the forwarder and on the bus."""

import asyncio
import contextlib
import functools
import gc
import logging
import os
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from concierge_backends import forwarder, roster
from concierge_backends.zabbix import accounts, hosts, items, names, provision
from concierge_backends.zabbix.keeper import departures
from concierge_proto import bus, messages, settings, subjects
from tests.integration.zabbix import own
from tests.integration.zabbix.conftest import SECRET, Until
from tests.peers import process

LIVES = int(os.environ.get("HOSTS", "20"))
"""HOSTS=2000 and --log-cli-level=INFO take some minutes and say what each thousand costs."""
WAVE = 50
SERVICE = "web"
LASTING = {"auditlog", "changelog", "ids", "sessions"} | {"task", "task_acknowledge", "task_close_problem"}
"""Zabbix's own books: who did what, what the server is to read anew, and, for a day, the tasks it has done."""
EVENTS = {"events", "event_tag", "event_recovery", "acknowledges"}
"""What happened, for as long as the administrator keeps events."""
HISTORY = ("history", "history_uint", "history_str", "history_text", "history_log", "trends", "trends_uint")
TIDY = ("trigger_housekeeper_execute", "housekeeper_execute")
_log = logging.getLogger(__name__)


class House(NamedTuple):
    """A forwarder between a bus and a Zabbix of its own."""

    zabbix: own.Own
    link: bus.Bus
    group: str

    async def born(self, instance: str) -> None:
        about: dict[str, Any] = {"service": SERVICE, "instance": instance, "boot": instance}
        kinds: dict[str, tuple[str, ...]] = {"gauge": ("load", "queue")}
        block = messages.Block(kind="gauge", fields=("value",), names=("load", "queue"), values=(1, 2))
        found = messages.Discovery(time_ns=time.time_ns(), kinds=kinds, **about)
        snapshot = messages.Snapshot(time_ns=time.time_ns(), seq=1, blocks=(block,), **about)
        await self.link.publish(self.link.pack(subjects.discovery(SERVICE, instance), found))
        await self.link.publish(self.link.pack(subjects.snapshot(SERVICE, instance), snapshot))
        await self.beat(instance, 1)

    async def beat(self, instance: str, state: int) -> None:
        said = messages.Heartbeat(
            service=SERVICE, instance=instance, time_ns=time.time_ns(), boot=instance, state=state
        )
        await self.link.tell(self.link.pack(subjects.heartbeat(SERVICE, instance), said))

    async def measured(self, wanted: int) -> bool:
        """Whether so many hosts have a value of an item that was made by discovery."""
        await asyncio.sleep(0.5)  # the question keeps the front end from making hosts
        asked = {"groupids": self.group, "search": {"key_": "gauge[load,value]"}, "output": ["lastclock"]}
        found = await self.zabbix.door.call("item.get", asked)
        return bool(wanted == sum(one["lastclock"] != "0" for one in found))

    async def empty(self) -> bool:
        await asyncio.sleep(0.5)
        count = await self.zabbix.door.call("host.get", {"groupids": self.group, "countOutput": True})
        return bool(count == "0")

    async def hour(self) -> None:
        """7.0 reads all of this table whenever it looks for changes, and shortens it once an hour."""
        if not self.zabbix.door.seven:
            return
        await self.zabbix.server.cluster.sql(
            "delete from changelog where clock < extract(epoch from now()) - 10", "zabbix"
        )

    async def rows(self) -> Counter[str]:
        """Return the number of rows of every table; of values, those of items that are gone."""
        counted = "query_to_xml(format('select count(*) as c from %I', table_name), false, true, '')"
        asked = f"select table_name, (xpath('/row/c/text()', {counted}))[1] from information_schema.tables where table_schema = 'public'"  # noqa: S608
        lines = (await self.zabbix.server.cluster.sql(asked, "zabbix")).split()
        found = Counter({name: int(count) for name, count in (line.split("|") for line in lines)})
        return Counter({**found, **{name: await self._orphans(name) for name in HISTORY}})

    async def _orphans(self, table: str) -> int:
        asked = f"select count(*) from {table} where itemid not in (select itemid from items)"  # noqa: S608
        return int(await self.zabbix.server.cluster.sql(asked, "zabbix"))

    async def kept_on_the_bus(self) -> dict[str, tuple[int, int]]:
        """Return the consumers of each stream, and the messages of those in which nothing ages, as (consumers, messages)."""
        found = [await self.link._js.stream_info(name) for name in ("TELEMETRY", "PRESENCE", "EVENTS")]
        found += [
            await self.link._js.stream_info(f"KV_{name}") for name in ("concierge_services", "concierge_seen")
        ]
        kept = {info.config.name or "": (info.state.consumer_count, info.state.messages) for info in found}
        return kept | {name: (kept[name][0], 0) for name in ("TELEMETRY", "PRESENCE")}


@contextlib.asynccontextmanager
async def forwarding(config: settings.Settings, link: bus.Bus) -> AsyncIterator[None]:
    ready = asyncio.Event()
    task = asyncio.create_task(forwarder.run(config, link, ready=ready))
    try:
        async with asyncio.timeout(30):
            await ready.wait()
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture(params=["zabbix", "zabbix60"] if LIVES > WAVE else ["zabbix"])
async def house(
    request: pytest.FixtureRequest, link: bus.Bus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[House]:
    monkeypatch.setattr(departures, "GRACE", 0.2)
    async with own.running(request.param) as zabbix:
        tree = {
            "monitoring": {
                "backends": ["zabbix"],
                "zabbix": {
                    "servers": [zabbix.node],
                    "api_url": zabbix.server.address,
                    "api_token_file": str(tmp_path / "token"),
                    "keeper_token_file": str(tmp_path / "keeper"),
                    "remove_after": "3s",
                },
            },
            "targets": {"shop": {"kind": "compose", "project": "shop"}},
            "services": {SERVICE: {"target": "shop", "max": 5, "fresh": "10m"}},
        }
        config = settings.parse(tree, "test")
        await provision.apply(
            config,
            user=own.LOGIN.user,
            password=own.LOGIN.password,
            gateway_url="http://127.0.0.1:9",
            secret=SECRET,
        )
        named = {"filter": {"name": [names.host_group(config, SERVICE)]}, "output": ["groupid"]}
        (group,) = await zabbix.door.call("hostgroup.get", named)
        async with forwarding(config, link):
            yield House(zabbix, link, group["groupid"])


@pytest.mark.timeout(120 + 2 * LIVES)
async def test_nothing_stays_of_short_lived_instances(house: House, until: Until) -> None:
    rows, bus_before = await house.rows(), await house.kept_on_the_bus()
    for first in range(0, LIVES, WAVE):
        began, wave = time.monotonic(), [f"i{number}" for number in range(first, min(LIVES, first + WAVE))]
        await asyncio.gather(*(house.born(one) for one in wave))
        await until(functools.partial(house.measured, len(wave)))
        await asyncio.gather(*(house.beat(one, 0) for one in wave))
        await until(house.empty)
        await house.hour()
        _log.info(
            "%d lives, the last %d in %.1f s, %s",
            first + len(wave),
            len(wave),
            time.monotonic() - began,
            _held(),
        )
    await _housekept(house)
    grown = await house.rows() - rows
    _log.info("rows more than before: %s", dict(grown))
    assert not grown.keys() - LASTING - EVENTS
    kept = await house.kept_on_the_bus()  # a consumer that read the presence at the start has ended
    assert all(more <= bus_before[name] for name, more in kept.items())
    assert (_count(hosts.Host), _count(accounts.Account)) == (0, 0)
    assert sum(len(one._answers) for one in _all(items.Asked)) == 0
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("parked")]


async def _housekept(house: House) -> None:
    """Let Zabbix do what it does by itself in an hour: forget the problems and the values of what was deleted."""
    server = house.zabbix.server
    words = (server.root.program("zabbix_server"), "-c", server.room / "zabbix_server.conf", "-R")

    async def clean() -> bool:
        await asyncio.sleep(0.2)
        for order in TIDY if house.zabbix.door.seven else TIDY[1:]:
            await process.capture(*words, order, env=server.root.environment)
        left = "select (select count(*) from housekeeper) + (select count(*) from problem)"
        return await server.cluster.sql(left, "zabbix") == "0\n"

    async with asyncio.timeout(60 + LIVES):  # it has two hundred tasks for each
        while not await clean():
            pass


def _all(kind: type) -> list[Any]:
    gc.collect()
    return [one for one in gc.get_objects() if isinstance(one, kind)]


def _count(kind: type) -> int:
    return len(_all(kind))


def _held() -> str:
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * 4 // 1024
    kept = {kind.__name__: _count(kind) for kind in (hosts.Host, accounts.Account, roster.Entry)}
    return f"{resident} MB resident, {kept}"
