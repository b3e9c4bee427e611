"""The loop heals by itself, and no command runs twice: NATS, Zabbix or Docker is taken away in the middle of it."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from concierge_backends.zabbix import api, names
from concierge_cli import house, nats, show
from concierge_cli.demo import balancer, containers, play, scene, stage
from concierge_proto import identity, messages, settings
from concierge_proto.bus import journal
from tests import gate, peer, synced


class Server:
    """A nats-server on one port that can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = scene.free_port("127.0.0.1")
        self._stack = contextlib.AsyncExitStack()
        self.url = f"nats://127.0.0.1:{self._port}"

    async def start(self) -> None:
        server = nats.server(self._folder / "store", self._folder / "run", port=self._port)
        await self._stack.enter_async_context(server)

    async def kill(self) -> None:
        """As a crash would: without a word."""
        for path in (self._folder / "run").glob("nats-server_*.ports"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(path.stem.partition("_")[2]), signal.SIGKILL)
            path.unlink()
        await self._stack.aclose()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    found = Server(tmp_path / "nats")
    await found.start()
    yield found
    await found.kill()


@pytest.fixture
async def story(server: Server, tmp_path: Path) -> AsyncIterator[play.Story]:
    with balancer.serving("127.0.0.1", play.QUIET) as customers:
        config = scene.build(tmp_path, "process", "embedded", "127.0.0.1", customers.url)
        config = msgspec.structs.replace(config, nats=settings.Nats(url=server.url))
        async with (
            house.open_house(config, tmp_path) as opened,
            play.watching(opened.link, customers) as found,
        ):
            yield found


async def until(story: play.Story, what: str, true) -> None:  # type: ignore[no-untyped-def]
    await story._until(what, true)


def outcomes(story: play.Story) -> list[tuple[int, int, str]]:
    """Return what Docker made of everything: (before, after, result), each event once."""
    found = {d.sequence: journal.read(d) for d in story.log}
    return [(e.before, e.after, e.result) for e in found.values() if isinstance(e, messages.Outcome)]


def triggers(story: play.Story, status: str) -> int:
    events = [journal.read(d) for d in story.log]
    return sum(isinstance(e, messages.Trigger) and e.status == status for e in events)


MOMENTS = pytest.mark.parametrize("moment", ["before the trigger", "right after the trigger"])
AWAY = 4
"""Seconds; an outage has no event to wait for."""


async def play_it(
    story: play.Story, moment: str, leave: Callable[[], Awaitable[None]], back: Callable[[], Awaitable[None]]
) -> None:
    """One rise and one fall of the load, and an outage in between: every step is done, and done once."""
    await until(story, "the first instance", lambda: len(story.heard) == 1)
    if moment == "before the trigger":
        await leave()
        story._balancer.offered = play.RUSH
        await asyncio.sleep(AWAY)
        assert (1, 2, "converged") not in outcomes(story)
    else:
        story._balancer.offered = play.RUSH
        await until(story, "the trigger", lambda: triggers(story, "problem") == 1)
        await leave()
        await asyncio.sleep(AWAY)
    await back()
    await until(story, "two instances", lambda: (1, 2, "converged") in outcomes(story))
    await until(story, "recovery", lambda: triggers(story, "resolved") >= 1)
    story._balancer.offered = play.QUIET
    await until(story, "one instance", lambda: (2, 1, "converged") in outcomes(story))
    steps = [step for step in outcomes(story) if step != (0, 1, "converged")]
    told = "\n".join(str(show.line(delivery)) for delivery in story.log)
    assert steps == [(1, 2, "converged"), (2, 1, "converged")], told


@MOMENTS
@pytest.mark.timeout(180)
async def test_nats_is_killed(story: play.Story, server: Server, moment: str) -> None:
    await until(story, "the first instance", lambda: len(outcomes(story)) == 1)
    await play_it(story, moment, server.kill, server.start)


async def known(config: settings.Settings) -> None:
    """Wait until Zabbix works with all of it: a problem before its action calls nobody for a minute."""
    zabbix = config.monitoring.zabbix
    login = api.Login(user=os.environ["PEER_ZABBIX_USER"], password=os.environ["PEER_ZABBIX_PASSWORD"])
    async with api.connect(zabbix.api_url, login) as door:
        for _ in range(2):
            await synced.synced(door, zabbix.servers[0], names.service_host(config, scene.SERVICE))


class Way(NamedTuple):
    """All that lies between Concierge and its Zabbix: values, questions, and webhooks."""

    gates: list[gate.Gate]

    async def shut(self) -> None:
        await asyncio.gather(*(one.shut() for one in self.gates))

    async def open(self) -> None:
        await asyncio.gather(*(one.open() for one in self.gates))


@MOMENTS
@pytest.mark.timeout(240)
async def test_zabbix_is_away(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    peer.need("zabbix")
    async with contextlib.AsyncExitStack() as stack:

        async def gated(behind: str) -> gate.Gate:
            door = f"127.0.0.1:{scene.free_port('127.0.0.1')}"
            return await stack.enter_async_context(gate.before(behind, door))

        trapper = await gated(os.environ["PEER_ZABBIX_TRAPPER"])
        frontend = await gated(os.environ["PEER_ZABBIX_API"].removeprefix("http://"))
        monkeypatch.setenv("PEER_ZABBIX_TRAPPER", trapper.address)
        monkeypatch.setenv("PEER_ZABBIX_API", f"http://{frontend.address}")
        customers = stack.enter_context(balancer.serving("127.0.0.1", play.QUIET))
        config = scene.build(tmp_path, "process", "zabbix", "127.0.0.1", customers.url)
        webhooks = await gated(config.gateway.listen)
        config = msgspec.structs.replace(
            config,
            nats=settings.Nats(url=server.url),
            gateway=msgspec.structs.replace(config.gateway, public_url=f"http://{webhooks.address}"),
        )
        await stage.provision(config, "zabbix")
        await known(config)
        opened = await stack.enter_async_context(house.open_house(config, tmp_path))
        story = await stack.enter_async_context(play.watching(opened.link, customers))
        way = Way([trapper, frontend, webhooks])
        await play_it(story, moment, way.shut, way.open)


@MOMENTS
@pytest.mark.timeout(240)
async def test_docker_is_away(tmp_path: Path, moment: str) -> None:
    peer.need("image")
    engine = peer.need("docker")
    if not engine.startswith("unix://"):
        pytest.skip(f"only an engine on a unix socket can be shut off here, not {engine}")
    name, host = f"concierge-test-{identity.mint()[-8:].lower()}", await containers.gateway()
    async with contextlib.AsyncExitStack() as stack:
        customers = stack.enter_context(balancer.serving(host, play.QUIET))
        config = scene.build(tmp_path, "compose", "embedded", host, customers.url)
        config = await stage.place(stack, config, name, tmp_path, customers.url)
        door = await stack.enter_async_context(
            gate.before(engine.removeprefix("unix://"), str(tmp_path / "engine.sock"))
        )
        target = msgspec.structs.replace(config.targets["demo"], host=f"unix://{door.address}")
        config = msgspec.structs.replace(config, targets={"demo": target})
        opened = await stack.enter_async_context(house.open_house(config, tmp_path))
        story = await stack.enter_async_context(play.watching(opened.link, customers))
        await play_it(story, moment, door.shut, door.open)
        running = await containers.docker("ps", "--quiet", "--filter", f"name={name}")
        assert len(running.split()) == 1
