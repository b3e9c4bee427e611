"""The loop heals by itself, and no command runs twice: NATS is taken away in the middle of it."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from concierge_cli import house, nats, show
from concierge_cli.demo import balancer, play, scene
from concierge_proto import messages, settings


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
    found = {d.sequence: show.read(d) for d in story.log}
    return [(e.before, e.after, e.result) for e in found.values() if isinstance(e, messages.Outcome)]


def triggers(story: play.Story, status: str) -> int:
    events = [show.read(d) for d in story.log]
    return sum(isinstance(e, messages.Trigger) and e.status == status for e in events)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("moment", ["before the trigger", "right after the trigger"])
async def test_nats_is_killed_in_the_middle(story: play.Story, server: Server, moment: str) -> None:
    await until(story, "the first instance", lambda: len(story.heard) == 1 and len(outcomes(story)) == 1)
    if moment == "before the trigger":
        await server.kill()
        story._balancer.offered = play.RUSH
    else:
        story._balancer.offered = play.RUSH
        await until(story, "the trigger", lambda: triggers(story, "problem") == 1)
        await server.kill()
    await asyncio.sleep(4)  # an outage has no event to wait for
    await server.start()
    await until(story, "two instances", lambda: (1, 2, "converged") in outcomes(story))
    await until(story, "recovery", lambda: triggers(story, "resolved") >= 1)
    story._balancer.offered = play.QUIET
    await until(story, "one instance", lambda: (2, 1, "converged") in outcomes(story))
    assert outcomes(story) == [(0, 1, "converged"), (1, 2, "converged"), (2, 1, "converged")]
