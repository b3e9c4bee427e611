"""A real Alertmanager: it says it again after a 503, and what it lists is what it told."""

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from concierge_backends import registry
from concierge_gateway import metrics
from concierge_proto import bus, identity, settings
from tests import peer
from tests.integration.gateway import house

pytestmark = pytest.mark.xdist_group("prometheus")  # they write the one Alertmanager's configuration

CONFIG = """\
route:
  receiver: nobody
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 1m
  group_by: ["..."]
  routes:
    - receiver: {name}
      matchers: ['test="{name}"']
receivers:
  - name: nobody
  - name: {name}
    webhook_configs:
      - url: {url}/webhooks/am
        http_config: {{authorization: {{credentials: {token}}}}}
"""


@pytest.fixture
async def manager() -> AsyncIterator[httpx.AsyncClient]:
    peer.need("prometheus")
    async with httpx.AsyncClient(base_url=os.environ["PEER_ALERTMANAGER_URL"]) as found:
        file = Path(os.environ["PEER_ALERTMANAGER_CONFIG"])
        before = file.read_text("utf-8")
        yield found
        file.write_text(before, "utf-8")
        await found.post("/-/reload")


@pytest.fixture
def name() -> str:
    """A label's value and a receiver's name that no other test has."""
    return f"test-{identity.mint()[-8:].lower()}"


async def send_to(manager: httpx.AsyncClient, client: house.Client, name: str) -> None:
    """Send the alerts with that label alone: of others it may still have to tell that they are over."""
    text = CONFIG.format(url=client.http.base_url, token=house.TOKEN, name=name)
    Path(os.environ["PEER_ALERTMANAGER_CONFIG"]).write_text(text, "utf-8")
    (await manager.post("/-/reload")).raise_for_status()


async def alert(manager: httpx.AsyncClient, name: str, began: datetime, *, over: bool = False) -> None:
    told = {
        "labels": {"alertname": "High load", "service": "web", "severity": "high", "test": name},
        "annotations": {"concierge_action": "scale_out 2"},
        "startsAt": began.isoformat(),
    }
    if over:
        told["endsAt"] = datetime.now(UTC).isoformat()
    (await manager.post("/api/v2/alerts", json=[told])).raise_for_status()


async def silence(manager: httpx.AsyncClient, name: str) -> None:
    now = datetime.now(UTC)
    told = {
        "matchers": [{"name": "test", "value": name, "isRegex": False}],
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(minutes=1)).isoformat(),
        "createdBy": "test",
        "comment": "test",
    }
    (await manager.post("/api/v2/silences", json=told)).raise_for_status()


async def until(client: house.Client, count: int) -> list[str]:
    """Return the verbs once that many commands are stored."""
    async with asyncio.timeout(30):
        while len(found := await client.commands()) < count:
            await asyncio.sleep(0.05)
    return [f"{command.verb} {command.amount}" for command in found]


async def test_it_comes_again_after_a_503_and_acts_once(
    manager: httpx.AsyncClient, name: str, link: bus.Bus, serve: house.Serve
) -> None:
    async with serve(link) as client:
        await send_to(manager, client, name)
        await link._js.delete_stream("KV_concierge_seen")
        refused = metrics.REQUESTS.labels("am", "503")._value
        before = refused.get()
        began = datetime.now(UTC) - timedelta(seconds=1)
        await alert(manager, name, began)
        async with asyncio.timeout(20):
            while refused.get() == before:
                await asyncio.sleep(0.05)
        assert await client.commands() == []
        await bus.provision(link)
        assert await until(client, 1) == ["scale_out 2"]
        await alert(manager, name, began, over=True)
        assert await until(client, 2) == ["scale_out 2", "release 0"]


async def test_what_it_lists_is_what_it_told(
    manager: httpx.AsyncClient, name: str, link: bus.Bus, serve: house.Serve
) -> None:
    monitoring = settings.Monitoring(
        prometheus=settings.Prometheus(alertmanager_url=os.environ["PEER_ALERTMANAGER_URL"])
    )
    config = settings.Settings(monitoring=monitoring)
    began = datetime.now(UTC) - timedelta(seconds=1)
    async with serve(link) as client, registry.open_backend("prometheus", config) as backend:
        await send_to(manager, client, name)
        await alert(manager, name, began)
        await until(client, 1)
        (told,) = await client.events("web")
        listed = {found.id: found for found in await backend.problems("am")}
        assert listed[told.id].action == told.action
        await alert(manager, name, began, over=True)
        await until(client, 2)
        assert told.id not in {found.id for found in await backend.problems("am")}


async def test_what_is_silenced_stays_in_the_list(manager: httpx.AsyncClient, name: str) -> None:
    monitoring = settings.Monitoring(
        prometheus=settings.Prometheus(alertmanager_url=os.environ["PEER_ALERTMANAGER_URL"])
    )
    async with registry.open_backend("prometheus", settings.Settings(monitoring=monitoring)) as backend:

        async def verdicts() -> list[str]:
            return [found.verdict for found in await backend.problems("am") if found.tags.get("test") == name]

        await alert(manager, name, datetime.now(UTC) - timedelta(seconds=1))
        await silence(manager, name)
        async with asyncio.timeout(30):
            while await verdicts() != ["suppressed"]:
                await asyncio.sleep(0.05)
