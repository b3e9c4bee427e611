"""The examples and the calculated items on real servers: each trigger fires and recovers, each item has a value."""

import secrets
import time
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from concierge_backends.zabbix import api, keys, names, packets, trapper
from concierge_backends.zabbix.provision.library import container, examples
from concierge_backends.zabbix.provision.library.shapes import Doc
from concierge_proto import settings
from tests import synced
from tests.integration.zabbix import own
from tests.integration.zabbix.conftest import Apply, Server, Until
from tests.integration.zabbix.test_templates import Say, instance, now, say

__all__ = ["say"]
Phase = Mapping[str, float]
STEP = 10
"""Seconds between two values of an example, as its items are calculated."""

ABOUT_CONTAINERS = (
    "Load of the container is high",
    "Memory of the container is nearly full",
    "A process was killed for lack of memory",
    "/data is nearly full",
    "Container is stopped",
)


class Scene:
    """A host with the items of the examples, to which values of the last hour can be told."""

    def __init__(self, server: Server, door: api.Api, until: Until) -> None:
        self.host = f"examples {secrets.token_hex(4)}"
        self._door = door
        self._until = until
        self._node = server.trapper
        self._port = trapper.Trapper([server.trapper], 5)

    async def build(self, trigger: Doc) -> None:
        """Make the host with one trigger of the library, word for word."""
        macros = [
            {"macro": one["macro"], "value": one.get("value", "")} for one in examples.build("")["macros"]
        ]
        number = await own.host(self._door, self.host, macros=macros)
        wanted = (examples.CPU, examples.MEMORY, examples.OWN, examples.UPSTREAM)
        for key in wanted:
            await own.item(self._door, number, key)
        made = {"description": trigger["name"], "recovery_mode": 1}
        for field in ("expression", "recovery_expression"):
            made[field] = trigger[field].replace(f"/{examples.NAME}/", f"/{self.host}/")
        (self.trigger,) = (await self._door.call("trigger.create", made))["triggerids"]
        await synced.synced(self._door, self._node, self.host)
        rows = [packets.row(self.host, key, 0, time.time_ns() - 7200 * 10**9) for key in wanted]
        assert await self._port.deliver(self.host, rows) == len(rows)

    async def tell(self, phases: Iterable[Phase], began: float) -> None:
        rows = [
            packets.row(self.host, key, value, int((began + number * STEP) * 1e9))
            for number, phase in enumerate(phases)
            for key, value in phase.items()
        ]
        assert await self._port.deliver(self.host, rows) == len(rows)

    async def events(self) -> list[tuple[int, int]]:
        """Return time and value of what the trigger did."""
        asked = {"objectids": self.trigger, "output": ["clock", "value"], "sortfield": ["clock", "eventid"]}
        found = await self._door.call("event.get", asked)
        return [(int(one["clock"]), int(one["value"])) for one in found]

    async def fired(self, phases: list[Phase], high: range) -> None:
        """Tell the values of an hour; the trigger is up once, and only from within these phases."""
        began = time.time() - 3600

        async def both() -> list[tuple[int, int]]:
            found = await self.events()
            return found if len(found) > 1 else []

        await self.tell(phases, began)
        (up, one), (_, zero) = await self._until(both)
        assert (one, zero) == (1, 0)
        assert round((up - began) / STEP) in high


@pytest.fixture
def scene(server: Server, door: api.Api, until: Until) -> Scene:
    return Scene(server, door, until)


async def test_the_combined_condition_needs_both(scene: Scene) -> None:
    await scene.build(examples.combined())
    load, memory = examples.CPU, examples.MEMORY
    one = [{load: 9.0, memory: 50.0}] * 40
    both = [{load: 9.0, memory: 90.0}] * 40
    await scene.fired([*one, *both, *[{load: 1.0, memory: 90.0}] * 40], range(40 + 12, 80))


async def test_the_prediction_wants_to_have_seen_enough(scene: Scene) -> None:
    await scene.build(examples.predictive())
    rising = [{examples.MEMORY: 20 + number / 2} for number in range(150)]
    low = [{examples.MEMORY: 20.0}] * 60
    await scene.fired([*rising, *low], range(119, 151))


async def test_the_service_falls_behind_the_one_upstream(scene: Scene) -> None:
    await scene.build(examples.upstream())
    mine, passed = examples.OWN, examples.UPSTREAM
    level, behind = [{mine: 19.0, passed: 20.0}] * 30, [{mine: 10.0, passed: 20.0}] * 40
    await scene.fired([*level, *behind, *level], range(30 + 12, 70))


async def test_the_triggers_about_a_container_fire_and_recover(
    ready: Apply,
    config: settings.Settings,
    server: Server,
    door: api.Api,
    until: Until,
    say: Say,
) -> None:
    await ready()
    (service,) = config.services
    name, number = await instance(door, config, service)
    disk, killed = "filesystem[/data,pused]", "container.memory.oom_kills"
    high: Phase = {container.LOAD: 9, container.MEMORY: 95, disk: 95, killed: 1, names.STATE: 0}
    low: Phase = {container.LOAD: 1, container.MEMORY: 20, disk: 20, killed: 1, names.STATE: 1}
    phases: list[Phase] = [*[{**low, killed: 0}] * 2, *[high] * 60, *[low] * 60]
    began, way = time.time() - 3600, trapper.Trapper([server.trapper], 5)
    rows = [
        packets.row(name, key, value, int((began + at * STEP) * 1e9))
        for at, phase in enumerate(phases)
        for key, value in phase.items()
    ]
    first = rows[: len(low)]

    async def known() -> bool:
        await say(name, keys.rule("filesystem"), keys.discovered(["/data"]))
        return await way.deliver(name, first) == len(first)

    await until(known)
    await synced.synced(
        door, server.trapper, name
    )  # it may take a value before it has read the trigger on it
    assert await way.deliver(name, rows) == len(rows)

    async def seen() -> bool:
        found = await door.call(
            "event.get", {"hostids": number, "output": ["name", "value"], "sortfield": "clock"}
        )
        told = {(one["name"], one["value"]) for one in found}
        return told >= {(trigger, value) for trigger in ABOUT_CONTAINERS for value in "10"}

    await until(seen)


async def test_what_zabbix_calculates_itself_is_right_and_empty_where_nobody_speaks(
    ready: Apply, config: settings.Settings, service: str, door: api.Api, until: Until, say: Say
) -> None:
    await ready()
    name, number = await instance(door, config, service)
    threshold = config.services[service].triggers[0]
    metric = keys.key("gauge", "load", "value") or ""
    await own.item(door, number, metric)
    (host,) = await door.call("host.get", {"filter": {"host": names.service_host(config, service)}})
    told = {names.STATE: 1, container.LOAD: 3, metric: 7}
    average = f"foreach.{threshold.of}[{threshold.metric.replace('[', ',').rstrip(']')}]"
    wanted = {"foreach.heard": "1", "foreach.running": "1", "foreach.cpu.load": "3", average: "7"}

    async def values() -> dict[str, tuple[str, str]]:
        asked: dict[str, Any] = {"hostids": host["hostid"], "search": {"key_": "foreach."}}
        found = {one["key_"]: one for one in await door.call("item.get", asked)}
        return {key: (found[key]["lastvalue"], found[key]["state"]) for key in wanted}

    async def calculated() -> bool:
        for key, value in told.items():
            await say(name, key, value)
        for key in wanted:
            await now(door, host["hostid"], key)
        return await values() == {key: (value, "0") for key, value in wanted.items()}

    await until(calculated)
    await door.call("host.update", {"hostid": number, "status": 1})

    async def empty() -> bool:
        for key in wanted:
            await now(door, host["hostid"], key)
        found = await values()
        counts = {key: found.pop(key) for key in ("foreach.heard", "foreach.running")}
        return set(counts.values()) == {("0", "0")} and {state for _, state in found.values()} == {"1"}

    await until(empty)
