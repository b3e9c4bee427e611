"""The whole loop on real parts, judged from outside: Zabbix's history, Prometheus, `docker ps`, NATS.

The loop itself is `concierge demo --once --json`, the same command that a newcomer runs first.
"""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from concierge_cli import nats
from concierge_proto import bus, identity, messages, settings
from concierge_proto.bus import journal
from tests import peer

PAIRS = [
    ("embedded", "process"),
    ("embedded", "swarm"),
    ("prometheus", "process"),
    ("prometheus", "compose"),
    ("zabbix", "compose"),
    ("zabbix", "process"),
]


class Played(NamedTuple):
    """What is left when the demo has ended."""

    last: dict[str, Any]
    link: bus.Bus
    name: str
    """Of the compose project or the swarm service."""
    most: int
    """The most containers that were seen running at one time."""


@pytest.fixture(params=PAIRS, ids=["-".join(pair) for pair in PAIRS])
def pair(request: pytest.FixtureRequest) -> tuple[str, str]:
    backend, target = request.param
    if backend != "embedded":
        peer.need(backend)
    if target != "process":
        peer.need("image")
    if target == "swarm":
        peer.need("swarm")
    return backend, target


@pytest.fixture
async def played(pair: tuple[str, str], tmp_path: Path) -> AsyncIterator[Played]:
    backend, target = pair
    listen = "127.0.0.1" if target == "process" else os.environ["PEER_DOCKER_GATEWAY"]
    async with (
        nats.server(tmp_path / "nats", tmp_path / "run", listen=listen) as url,
        bus.connect(settings.Nats(url=url), "test") as link,
    ):
        name = f"concierge-test-{identity.mint()[-8:]}"
        ended = asyncio.Event()
        watching = asyncio.create_task(count_containers(name, ended))
        try:
            last = await demo(backend, target, name, url)
        finally:
            ended.set()  # not cancelled: that would leave a docker behind
            most = await watching
        yield Played(last, link, name, most)


async def demo(backend: str, target: str, name: str, url: str) -> dict[str, Any]:
    """Run the demo and return its last line."""
    child = await asyncio.create_subprocess_exec(
        Path(sys.executable).parent / "concierge",
        *("demo", "--backend", backend, "--target", target, "--project", name, "--once", "--json"),
        env={**os.environ, "CONCIERGE_NATS__URL": url},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, progress = await child.communicate()
    assert child.returncode == 0, progress.decode()[-6000:]
    return dict(json.loads(out.splitlines()[-1]))


async def count_containers(name: str, ended: asyncio.Event) -> int:
    """Watch `docker ps` until the demo has ended; return the most of its containers that ran at one time."""
    most = 0
    while "PEER_DOCKER_HOST" in os.environ and not ended.is_set():
        most = max(most, len(await containers(name)))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.3):
                await ended.wait()
    return most


async def containers(name: str) -> list[str]:
    child = await asyncio.create_subprocess_exec(
        *("docker", "--host", os.environ["PEER_DOCKER_HOST"], "ps", "--format", "{{.Names}}"),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await child.communicate()
    return [found for found in out.decode().split() if found.startswith(name)]


@pytest.mark.timeout(240)
async def test_the_loop_closes(pair: tuple[str, str], played: Played) -> None:
    backend, target = pair
    assert played.last["loop"] == "closed"
    assert played.last["out"] == {"from": 1, "to": 2}
    assert played.last["in"] == {"from": 2, "to": 1}
    assert all(stage >= 0 for stage in played.last["stages_ms"].values())
    chain = await events(played)
    assert_the_chain_is_whole(chain)
    if target != "process":
        assert played.most == 2
        assert await containers(played.name) == []
    if backend == "zabbix":
        await assert_zabbix_has_it(chain)
    if backend == "prometheus":
        await assert_prometheus_has_it()


async def events(played: Played) -> list[messages.Event]:
    stream = played.link.history("EVENTS", "concierge.v1.event.>")
    found = [journal.read(d) async for d in stream if journal.correlation(d) == played.last["correlation_id"]]
    return [event for event in found if event]


def assert_the_chain_is_whole(chain: list[messages.Event]) -> None:
    triggers = [event for event in chain if isinstance(event, messages.Trigger)]
    outcomes = [event for event in chain if isinstance(event, messages.Outcome)]
    acts = [event for event in chain if isinstance(event, messages.Decision) and event.verdict == "act"]
    assert triggers[0].status == "problem"
    assert triggers[-1].status == "resolved"
    assert [(act.before, act.wanted) for act in acts] == [(1, 2)]
    assert [(outcome.result, outcome.after) for outcome in outcomes] == [("converged", 2)]


async def assert_zabbix_has_it(chain: list[messages.Event]) -> None:
    """The values of both instances and the problem stand in Zabbix's own history."""
    async with httpx.AsyncClient(base_url=os.environ["PEER_ZABBIX_API"], timeout=20) as http:
        token = await call(http, "", "user.login", username="Admin", password="zabbix")
        problem = next(event for event in chain if isinstance(event, messages.Trigger))
        found = await call(http, token, "event.get", eventids=[problem.event_id], output=["name", "value"])
        assert [(event["name"], event["value"]) for event in found] == [(problem.name, "1")]
        hosts = {str(item["hostid"]) for item in await items(http, token, "gauge[load,value]")}
        assert len(hosts) >= 2


async def items(http: httpx.AsyncClient, token: str, key: str) -> list[dict[str, Any]]:
    """Return the items of that key that hold values."""
    found: list[dict[str, Any]] = await call(
        http, token, "item.get", search={"key_": key}, output=["hostid", "lastclock"]
    )
    return [item for item in found if item["lastclock"] != "0"]


async def call(http: httpx.AsyncClient, token: str, method: str, **params: Any) -> Any:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    body = {"jsonrpc": "2.0", "method": method, "params": params, "id": 1}
    answer = (await http.post("/api_jsonrpc.php", json=body, headers=headers)).json()
    assert "result" in answer, answer
    return answer["result"]


async def assert_prometheus_has_it() -> None:
    """Prometheus has scraped the load of both instances."""
    async with httpx.AsyncClient(base_url=os.environ["PEER_PROMETHEUS_URL"], timeout=20) as http:
        query = (
            'count(count by (instance) (max_over_time(concierge_gauge_value{service="web",name="load"}[5m])))'
        )
        answer = (await http.get("/api/v1/query", params={"query": query})).json()
        assert float(answer["data"]["result"][0]["value"][1]) >= 2
