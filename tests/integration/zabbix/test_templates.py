"""The published templates on real servers: imported and exported without a difference, and doing what they say."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from concierge_backends.zabbix import api, keys, names, packets, provision, trapper
from concierge_backends.zabbix.provision import elements, imports
from concierge_backends.zabbix.provision.library import container, document, examples
from concierge_proto import settings
from tests.integration.zabbix.conftest import PING_TOKEN, SECRET, Apply, Gateway, Server, Until

DOCS = Path(__file__).parents[3] / "docs/zabbix"


def plain(doc: Any) -> Any:
    """Without an order of lists, and without the time of the export."""
    if isinstance(doc, dict):
        return {key: plain(value) for key, value in doc.items() if key != "date"}
    if isinstance(doc, list):
        return sorted((plain(one) for one in doc), key=lambda one: json.dumps(one, sort_keys=True))
    return doc


async def test_the_published_file_comes_back_as_it_was(door: api.Api) -> None:
    file = DOCS / f"templates-{'7.0' if door.seven else '6.0'}.yaml"
    order = {"format": "yaml", "source": file.read_text("utf-8"), "rules": imports.rules(seven=door.seven)}
    assert await door.call("configuration.import", order) is True
    assert await door.call("configuration.importcompare", order) == []
    built = document.build(seven=door.seven)
    wanted = [doc["template"] for doc in built["zabbix_export"]["templates"]]
    ids = [doc["templateid"] for doc in await door.call("template.get", {"filter": {"host": wanted}})]
    exported = await door.call("configuration.export", {"format": "json", "options": {"templates": ids}})
    assert plain(json.loads(exported)) == plain(built)


class Pinged:
    """A gateway that Zabbix pings: what it answers, and whom it was asked for with which token."""

    def __init__(self) -> None:
        self.answer = "1"
        self.asked: set[tuple[str, str]] = set()

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError, EOFError):
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                bearer = [line for line in head.split("\r\n") if line.lower().startswith("authorization")]
                self.asked.add((head.split()[1], bearer[0].partition(": ")[2] if bearer else ""))
                writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{self.answer}".encode())
                await writer.drain()
            writer.close()

        async with await asyncio.start_server(answered, "127.0.0.1", 0) as listening:
            yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"


Say = Callable[..., Awaitable[None]]


@pytest.fixture
def say(server: Server, until: Until) -> Say:
    """Send a value of a host, again until it is taken."""
    port = trapper.Trapper([server.trapper], 5)

    async def said(host: str, key: str, value: float | str) -> None:
        await until(lambda: port.deliver(host, [packets.row(host, key, value, time.time_ns())]))

    return said


async def instance(door: api.Api, config: settings.Settings, service: str, **macros: str) -> tuple[str, str]:
    """Make an instance's host, as the host keeper does; return its name and id."""
    host = names.instance_host(config, service, "one")
    group = await door.call("hostgroup.get", {"filter": {"name": [names.host_group(config, service)]}})
    template = await door.call("template.get", {"filter": {"host": [names.instance_template(service)]}})
    made = await door.call(
        "host.create",
        {
            "host": host,
            "groups": [{"groupid": group[0]["groupid"]}],
            "templates": [{"templateid": template[0]["templateid"]}],
            "macros": [{"macro": f"{{${name}}}", "value": value} for name, value in macros.items()],
        },
    )
    return host, made["hostids"][0]


async def open_problems(door: api.Api, host_id: str) -> set[str]:
    found = await door.call("problem.get", {"hostids": [host_id], "output": ["name"]})
    return {one["name"] for one in found}


async def shown(until: Until, door: api.Api, host_id: str, name: str, *, gone: bool = False) -> None:
    async def asked() -> bool:
        return (name in await open_problems(door, host_id)) is not gone

    await until(asked)


async def test_a_container_is_lost_only_when_nobody_answers_the_ping_either(
    ready: Apply, config: settings.Settings, service: str, door: api.Api, until: Until, say: Say
) -> None:
    pinged = Pinged()
    async with pinged.serve() as url:
        await ready(url)
        macros = {"CONCIERGE.SILENT": "5s", "CONCIERGE.PING.EVERY": "1s"}
        host, number = await instance(door, config, service, **macros)
        await say(host, names.STATE, 1)
        silent = int(time.time()) + 6
        await now(door, number, container.AVAILABLE)

        async def answered() -> Any:
            params = {"hostids": [number], "filter": {"key_": names.PING}, "output": ["itemid"]}
            (item,) = await door.call("item.get", params)
            question = {"itemids": [item["itemid"]], "history": 3, "time_from": silent}
            return await door.call("history.get", question)

        await until(answered)
        await shown(until, door, number, "Container is silent")
        assert (f"/v1/ping/{service}/{host}", f"Bearer {PING_TOKEN}") in pinged.asked
        assert "Container is lost" not in await open_problems(door, number)
        pinged.answer = "0"
        await shown(until, door, number, "Container is lost")
        await say(host, names.STATE, 1)
        await shown(until, door, number, "Container is lost", gone=True)
        await shown(until, door, number, "Container is silent", gone=True)


async def now(door: api.Api, host_id: str, key: str) -> None:
    """Have an item read at once, where the host has it."""
    found = await door.call("item.get", {"hostids": [host_id], "filter": {"key_": key}})
    if found:
        await door.call("task.create", [{"type": 6, "request": {"itemid": found[0]["itemid"]}}])


async def test_a_delivery_fails_is_slow_and_good_again_below_the_lower_limit(
    ready: Apply, config: settings.Settings, service: str, door: api.Api, until: Until, say: Say
) -> None:
    await ready()
    host, number = await instance(door, config, service)
    slow, failing = "Delivery of metrics is slow", "Delivery of metrics fails"
    for value, problems in (
        (-1, {failing}),
        (0, {failing}),
        (1200, {slow}),
        (700, {slow}),
        (400, set()),
        (700, set()),
    ):
        # Said again until it shows: the item may be known a moment before its triggers are.
        async def same(value: int = value, wanted: set[str] = problems) -> bool:
            await say(host, names.ELAPSED, value)
            return await open_problems(door, number) == wanted

        await until(same)


async def test_a_service_chooses_which_metrics_get_items(
    server: Server, config: settings.Settings, service: str, door: api.Api, until: Until, say: Say
) -> None:
    chosen = msgspec.structs.replace(
        config.services[service], items=settings.Items(matches="^shop[.]", skips="internal$")
    )
    await provision.apply(
        msgspec.structs.replace(config, services={service: chosen}),
        user=server.login.user,
        password=server.login.password,
        gateway_url="http://127.0.0.1:9",
        secret=SECRET,
    )
    host, number = await instance(door, config, service)
    found = keys.discovered(["jvm.heap", "shop.load", "shop.internal"])

    async def made() -> set[str]:
        await say(host, keys.rule("gauge"), found)
        items = await door.call("item.get", {"hostids": [number], "search": {"key_": "gauge["}})
        return {item["key_"] for item in items}

    assert await until(made) == {"gauge[shop.load,value]"}


async def test_an_own_trigger_with_our_tags_scales(
    ready: Apply,
    config: settings.Settings,
    door: api.Api,
    gateway: Gateway,
    until: Until,
    say: Say,
) -> None:
    await ready(gateway.url)
    (service,) = config.services
    host = names.service_host(config, service)
    (found,) = await door.call("host.get", {"filter": {"host": host}})
    await door.call("item.create", elements.item(found["hostid"], "own.queue", "Queue"))
    tags = [{"tag": "concierge", "value": "custom"}, {"tag": "concierge.action", "value": "scale_out 3"}]
    trigger = {"description": "Queue is long", "expression": f"last(/{host}/own.queue)>10", "tags": tags}
    await door.call("trigger.create", trigger)

    async def opened() -> set[str]:
        await say(host, "own.queue", 11)
        return await open_problems(door, found["hostid"])

    await until(opened)
    hook = json.loads((await gateway.next("Queue is long")).body)
    assert hook["subject"] == "scale_out 3"
    assert {"tag": "service", "value": service} in json.loads(hook["event_tags"])


async def test_examples_are_calculated_and_wait_for_enough_values(
    ready: Apply, config: settings.Settings, service: str, door: api.Api, until: Until, say: Say
) -> None:
    await ready()
    host, _ = await instance(door, config, service)
    await say(host, container.LOAD, 9)
    await say(host, container.MEMORY, 95)
    (template,) = await door.call("template.get", {"filter": {"host": [examples.NAME]}})
    (found,) = await door.call("host.get", {"filter": {"host": names.service_host(config, service)}})
    link = {"hosts": [{"hostid": found["hostid"]}], "templates": [{"templateid": template["templateid"]}]}
    await door.call("host.massadd", link)

    async def calculated() -> bool:
        await now(door, found["hostid"], examples.CPU)
        params = {"hostids": [found["hostid"]], "search": {"key_": "example."}}
        values = {doc["key_"]: doc for doc in await door.call("item.get", params)}
        return (
            float(values[examples.CPU]["lastvalue"]) == 9
            and values[examples.OWN]["state"] == values[examples.UPSTREAM]["state"] == "1"
        )

    await until(calculated)
    assert not await open_problems(door, found["hostid"])
    enough = {"macro": "{$EXAMPLE.VALUES}", "value": "1"}
    await door.call("usermacro.create", {"hostid": found["hostid"], **enough})
    await shown(until, door, found["hostid"], "Example: load and memory are both high")
