"""Policies by labels, on real containers: webhook in, containers out, no table in the file, no restart."""

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from concierge_cli import house
from concierge_proto import bus, settings
from concierge_proto.bus import found
from concierge_scheduler import finder
from tests import containers, peer
from tests.integration.cli.desk import Desk

CONFIG = """\
[nats]
url = "{url}"

[gateway]
listen = "127.0.0.1:0"

[gateway.sources.own]
kind = "generic"
token_file = "{folder}/token"

[targets.here]
{target}
labels = true
labels_max = 4
"""
PATIENCE = 30.0


def said(**more: str) -> dict[str, str]:
    quick = {"cooldown-out": "0s", "settle": "50ms", "heard": "false"}
    words = {"enable": "true", "max": "2", **quick, "rules.load.action": "scale_out 1", **more}
    return {f"concierge.{key}": value for key, value in words.items()}


class Scene(NamedTuple):
    """A house with one target, and a way to its webhooks."""

    http: httpx.AsyncClient
    link: bus.Bus
    desk: Desk
    service: str

    async def say(self, event: str) -> tuple[str, str]:
        """Post a problem and return its answer's decision and reason."""
        body = {"event_id": event, "status": "problem", "service": self.service, "name": "High load"}
        answer = await self.http.post("/webhooks/own", json=body)
        assert answer.status_code == 202, answer.text
        return answer.json()["decision"], answer.json()["reason"]

    async def routed(self, test: Callable[[settings.Service | None], bool]) -> None:
        """Wait until what everybody reads passes the test."""
        file = settings.load(self.desk.folder / "concierge.toml", {})

        async def met() -> bool:
            return test((await found.merged(self.link, file)).services.get(self.service))

        await containers.met(met)

    async def outcome(self, number: int) -> dict[str, Any]:
        """Return the outcome of that number, the first is 1."""
        seen = 0
        async with asyncio.timeout(PATIENCE):
            stream = self.link.history("EVENTS", f"concierge.v1.event.{self.service}.outcome", follow=True)
            async for delivery in stream:
                seen += 1
                if seen == number:
                    return dict(json.loads(delivery.body))
        raise AssertionError

    async def decided(self, event: str, wanted: str) -> str:
        """Post until the gateway has read what the scheduler published; return the reason."""
        async with asyncio.timeout(PATIENCE):
            for number in range(1000):
                decision, reason = await self.say(f"{event}-{number}")
                if decision == wanted:
                    return reason
                await asyncio.sleep(0.1)
        raise AssertionError


@contextlib.asynccontextmanager
async def scene(link: bus.Bus, url: str, folder: Path, service: str, target: str) -> AsyncIterator[Scene]:
    (folder / "token").write_text("a-token-of-the-tests")
    desk = Desk(folder, CONFIG.format(url=url, folder=folder, target=target))
    config = settings.load(folder / "concierge.toml", {})
    headers = {"authorization": "Bearer a-token-of-the-tests"}
    async with (
        house.open_house(config, folder / "state") as opened,
        httpx.AsyncClient(base_url=opened.gateway_url, headers=headers, timeout=PATIENCE) as http,
    ):
        yield Scene(http, link, desk, service)


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finder, "EVERY", 0.3)
    monkeypatch.setattr(found, "EVERY", 0.1)


async def test_compose(link: bus.Bus, nats_url: str, tmp_path: Path) -> None:
    """Found, scaled to its bound, given another bound, given a wrong one, taken away."""
    peer.need("docker")
    async with containers.compose(tmp_path, {"web": {"labels": said()}, "db": {}}, ["web"]) as target:
        words = (
            f'kind = "compose"\nhost = "{target.host}"\nproject = "{target.project}"\n'
            f'files = ["compose.yaml"]\nproject_directory = "{tmp_path}"'
        )
        async with scene(link, nats_url, tmp_path, "web", words) as stage:
            await stage.routed(lambda one: one is not None)
            await stage.decided("first", "command")
            assert (await stage.outcome(1))["after"] == 2
            relabel(tmp_path, said(max="3"))
            await stage.routed(lambda one: one is not None and one.max == 3)
            assert (await stage.say("second"))[0] == "command"
            assert (await stage.outcome(2))["after"] == 3
            nothing = await stage.desk.say("scale", "web", "3", "--json")
            assert (nothing.code, nothing.json[-1]["reason"]) == (0, "no_change")
            shown = (await stage.desk.say("services", "web", "--json")).json[0]
            assert shown["from"] == "labels"
            assert shown["keys"]["max"] == {"value": 3, "from": "label"}
            assert shown["keys"]["min"] == {"value": 1, "from": "default"}
            relabel(tmp_path, said(max="99"))
            await stage.routed(lambda one: one is None)
            assert "no labels bring it" in await stage.decided("third", "unknown_service")
            bad = await stage.desk.say("services")
            assert (bad.code, bad.out.count("concierge.max=99: the file allows 4")) == (3, 1)
            relabel(tmp_path, {})
            await containers.met(lambda: empty(link))


async def test_swarm(link: bus.Bus, nats_url: str, tmp_path: Path) -> None:
    peer.need("swarm")
    name = f"ct{secrets.token_hex(4)}"
    options = [word for label, value in said().items() for word in ("--label", f"{label}={value}")]
    async with containers.swarm([name], *options) as target:
        words = f'kind = "swarm"\nhost = "{target.host}"'
        async with scene(link, nats_url, tmp_path, name, words) as stage:
            await stage.routed(lambda one: one is not None)
            await stage.decided("first", "command")
            assert (await stage.outcome(1))["after"] == 2
            await containers.docker(
                "service", "update", "--detach", "--quiet", "--label-add", "concierge.max=3", name
            )
            await stage.routed(lambda one: one is not None and one.max == 3)
            assert (await stage.say("second"))[0] == "command"
            assert (await stage.outcome(2))["after"] == 3
            await containers.docker(
                "service", "update", "--detach", "--quiet", "--label-rm", "concierge.enable", name
            )
            await stage.routed(lambda one: one is None)
            assert "no labels bring it" in await stage.decided("third", "unknown_service")


def relabel(folder: Path, labels: dict[str, str]) -> None:
    """Write the project's file anew, as its owner would."""
    file = folder / "compose.yaml"
    tree = json.loads(file.read_text("utf-8"))
    tree["services"]["web"]["labels"] = labels
    file.write_text(json.dumps(tree), "utf-8")


async def empty(link: bus.Bus) -> bool:
    return await link.store(found.BUCKET).get("here") is None
