"""A real `zabbix_agentd` that asks the courier, with the lines that docs/courier.md gives."""

import asyncio
import contextlib
import os
import re
import secrets
import signal
import struct
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from concierge_backends.zabbix import api
from concierge_proto import bus, messages, subjects
from tests import peer
from tests.peers import install, place, process

PAGE = Path(__file__).parents[3] / "docs" / "courier.md"
METRICS = Path(__file__).parents[2] / "unit" / "courier" / "dropwizard4.json"


class Agent(NamedTuple):
    """One that runs, and how it is asked."""

    root: install.Root
    configuration: Path
    port: int
    environ: dict[str, str]

    async def test(self, key: str) -> str:
        """What `zabbix_agentd -t KEY` prints."""
        words = ("--config", self.configuration, "--test", key)
        return await process.capture(self.root.program("zabbix_agentd"), *words, env=self.environ)

    async def get(self, key: str) -> str:
        """What a server is answered that polls it: both speak `ZBXD`, a 1, the length in 8 bytes, the text."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(b"ZBXD\x01" + struct.pack("<Q", len(key)) + key.encode())
            async with asyncio.timeout(10):
                return (await reader.read()).removeprefix(b"ZBXD\x01")[8:].decode()
        finally:
            writer.close()
            await writer.wait_closed()


@pytest.fixture
async def agent(tmp_path: Path, nats_url: str) -> AsyncIterator[Agent]:
    at = place.here()
    try:
        root = await install.provide(at, install.AGENT)
    except process.Unavailable as problem:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"no zabbix_agentd: {problem}")
    configuration, port = tmp_path / "agentd.conf", process.free_port()
    lines = re.findall(r"^UserParameter=.*$", PAGE.read_text(), re.MULTILINE)
    own = {
        "AllowRoot": 1,
        "Timeout": 30,  # 3 where the machine has nothing else to do
        "ListenPort": port,
        "Server": "127.0.0.1",
        "ServerActive": "",
        "LogFile": tmp_path / "agentd.log",
        "PidFile": tmp_path / "agentd.pid",
    }
    configuration.write_text(
        "\n".join([*(f"{name}={value}" for name, value in own.items() if value), *lines])
    )
    environ = root.environment | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "CONCIERGE_SERVICE": "web",
        "CONCIERGE_INSTANCE": "web-1",
        "CONCIERGE_SOURCES": f"dropwizard={METRICS}",
        "CONCIERGE_NATS__URL": nats_url,
    }
    async with contextlib.AsyncExitStack() as stack:
        words = (root.program("zabbix_agentd"), "--foreground", "--config", configuration)
        daemon = await process.start(
            stack, words, tmp_path / "agentd.out", env=environ, ending=signal.SIGTERM
        )
        await process.until(lambda: process.answers(port), daemon, seconds=20)
        yield Agent(root, configuration, port, environ)


@contextlib.asynccontextmanager
async def answering(link: bus.Bus, processed: int) -> AsyncIterator[None]:
    """Be the monitoring system: a receipt for each snapshot."""

    async def receipts() -> None:
        async with link.listening(subjects.snapshot("web", "web-1")) as heard:
            ready.set()
            async for delivery in heard:
                snapshot = delivery.read(messages.Snapshot)
                receipt = messages.Receipt(
                    service="web", instance="web-1", snapshot_id=snapshot.id, backend="zabbix", primary=True,
                    processed=processed, failed=0, total=9, elapsed_ms=1,
                )  # fmt: skip
                await link.tell(link.pack(subjects.receipt("web", "web-1"), receipt))

    ready = asyncio.Event()
    task = asyncio.create_task(receipts())
    await ready.wait()
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


TIMERS = [{"{#NAME}": "com.example.Shop.checkout"}, {"{#NAME}": "com.example.Shop.pay"}]


async def test_discovers_what_the_application_has(agent: Agent) -> None:
    assert msgspec.json.decode(await agent.get("concierge.discovery[timer]")) == TIMERS
    said = await agent.test("concierge.discovery[timer]")
    assert "[t|" in said
    assert '{"{#NAME}":"com.example.Shop.checkout"}' in said
    assert await agent.get("concierge.discovery[health]") == "[]"
    assert await agent.get("concierge.discovery[timers]") == ""  # there is no such kind


async def test_delivers_and_is_told_how_long_it_took(agent: Agent, link: bus.Bus) -> None:
    async with answering(link, 9):
        assert 0 < int(await agent.get("courier.elapsed")) < 2500
        assert re.search(r"\[t\|\d+\]", await agent.test("courier.elapsed"))


async def test_a_failure_is_0_and_silence_is_minus_1(agent: Agent, link: bus.Bus) -> None:
    async with answering(link, 0):
        assert await agent.get("courier.elapsed") == "0"
    assert await agent.get("courier.elapsed") == "-1"


@pytest.fixture
async def door() -> AsyncIterator[api.Api]:
    """A super admin's session with a real server."""
    url = peer.need("zabbix")
    login = api.Login(user=os.environ["PEER_ZABBIX_USER"], password=os.environ["PEER_ZABBIX_PASSWORD"])
    async with api.connect(url, login) as found:
        yield found


@pytest.fixture
async def host(door: api.Api, agent: Agent) -> AsyncIterator[str]:
    """The id of a host whose agent the server polls: the delivery every two seconds, the discovery every five."""
    name = f"agent-{secrets.token_hex(4)}"
    (group,) = (await door.call("hostgroup.create", {"name": name}))["groupids"]
    face = {"type": 1, "main": 1, "useip": 1, "ip": "127.0.0.1", "dns": "", "port": str(agent.port)}
    made = await door.call(
        "host.create", {"host": name, "groups": [{"groupid": group}], "interfaces": [face]}
    )
    (hostid,) = made["hostids"]
    (face,) = await door.call("hostinterface.get", {"hostids": [hostid], "output": ["interfaceid"]})
    polled = {"hostid": hostid, "interfaceid": face["interfaceid"], "type": 0}
    await door.call(
        "item.create", {**polled, "name": "e", "key_": "courier.elapsed", "value_type": 0, "delay": "2s"}
    )
    rule = {**polled, "name": "t", "key_": "concierge.discovery[timer]", "delay": "5s"}
    (ruleid,) = (await door.call("discoveryrule.create", rule))["itemids"]
    prototype = {"name": "{#NAME}", "key_": "timer[{#NAME},p95]", "type": 2, "value_type": 0}
    await door.call("itemprototype.create", {**prototype, "hostid": hostid, "ruleid": ruleid})
    yield hostid
    await door.call("host.delete", [hostid])
    await door.call("hostgroup.delete", [group])


async def test_a_real_server_polls_it(door: api.Api, host: str, link: bus.Bus) -> None:
    async with answering(link, 9), asyncio.timeout(60):
        wanted = {f"timer[{row['{#NAME}']},p95]" for row in TIMERS}
        while not (wanted <= set(items := await polled(door, host)) and float(items["courier.elapsed"])):
            await asyncio.sleep(0.3)
        assert 0 < float(items["courier.elapsed"]) < 2500


async def polled(door: api.Api, host: str) -> dict[str, Any]:
    """Key to newest value."""
    found = await door.call("item.get", {"hostids": [host], "output": ["key_", "lastvalue"]})
    return {item["key_"]: item["lastvalue"] for item in found}
