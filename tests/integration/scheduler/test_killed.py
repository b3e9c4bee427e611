"""kill -9 of the holder in the middle of a change: another finishes it, once."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from concierge_proto import bus
from tests.integration.scheduler import stage

HOLDER = Path(__file__).with_name("holder.py")
CONFIG = """
[nats]
url = "{url}"
[targets.shop]
kind = "compose"
[services.web]
target = "shop"
max = 5
heard = false
settle = "50ms"
converge = "20s"
cooldown_out = "1s"
"""


@pytest.fixture
def config(tmp_path: Path, nats_url: str) -> Path:
    path = tmp_path / "concierge.toml"
    path.write_text(CONFIG.format(url=nats_url))
    return path


@contextlib.asynccontextmanager
async def holder(config: Path, paper: Path, seconds: float) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a scheduler of its own, and kill it at the end."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, str(HOLDER), str(config), str(paper), str(seconds), stdout=asyncio.subprocess.PIPE
    )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


async def calling(child: asyncio.subprocess.Process) -> None:
    assert child.stdout
    async with asyncio.timeout(stage.PATIENCE):
        assert await child.stdout.readline() == b"calling\n"


@pytest.mark.parametrize("done", [False, True], ids=["before it took effect", "after it took effect"])
async def test_another_finishes_it_once(link: bus.Bus, config: Path, tmp_path: Path, done: bool) -> None:
    paper = tmp_path / "paper"
    paper.write_text("begin 1\n")
    async with stage.hearing(link) as ear, holder(config, paper, 60) as first:
        sent = await stage.send(link, stage.command())
        await calling(first)
        if done:
            with paper.open("a") as file:  # what the call would have done, had it not been cut off
                file.write("effect 2\n")
        first.kill()
        await first.wait()
        async with holder(config, paper, 0):
            await ear.until(lambda: ear.outcomes)
            await stage.send(link, sent, again=True)
            await ear.until(lambda: len(ear.reasons(sent)) == 2)
    assert ear.reasons(sent) == [("act", "ok"), ("nothing", "already_applied")]
    assert [(one.result, one.wanted, one.after) for one in ear.outcomes] == [("converged", 2, 2)]
    written = paper.read_text().split("\n")[1:-1]
    assert written == (["effect 2"] if done else [f"{ear.decisions[0].id} 2"])


async def test_commands_behind_it_are_not_lost(link: bus.Bus, config: Path, tmp_path: Path) -> None:
    paper = tmp_path / "paper"
    paper.write_text("begin 1\n")
    async with stage.hearing(link) as ear, holder(config, paper, 60) as first:
        await stage.send(link, stage.command())
        await calling(first)
        second = await stage.send(link, stage.command(problem="zabbix/2"))
        first.kill()
        await first.wait()
        async with holder(config, paper, 0):
            await ear.until(lambda: len(ear.outcomes) == 2)
    assert [one.after for one in ear.outcomes] == [2, 3]
    assert ear.reasons(second)[-1] == ("act", "ok")
