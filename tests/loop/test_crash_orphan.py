"""kill -9 of the scheduler while its docker child is at work, and another number for the one that takes over.

With setpriv the child dies with its scheduler. Without, as on BusyBox, it lives on and sets its number last.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from concierge_proto import bus
from tests import containers, peer
from tests.integration.scheduler import stage
from tests.loop import crash, test_crash

OLDER, NEWER = 4, 2
TIMEOUT = 'timeout = "5m"\n'
"""Room for a slow machine: this long the child may live."""
SLOW = """#!/bin/sh
case " $* " in *" up "*)
    echo $$ > {folder}/pid
    read -r _ < {folder}/gate
esac
exec {docker} "$@" {quiet}
"""
"""A docker client that waits at a gate before it changes anything."""
QUIET = "2> /dev/null"
"""So that it does not end by the broken pipe of a dead scheduler either."""


def tools(folder: Path, *names: str, quiet: str = "") -> dict[str, str]:
    """Return an environment with a slow docker, and of the system's tools these alone."""
    folder.mkdir()
    os.mkfifo(folder / "gate")
    slow = folder / "docker"
    slow.write_text(SLOW.format(folder=folder, docker=shutil.which("docker"), quiet=quiet))
    slow.chmod(0o700)
    for name in names:
        (folder / name).symlink_to(str(shutil.which(name)))
    return {**os.environ, "PATH": str(folder)}


@contextlib.asynccontextmanager
async def scheduler(config: Path, environ: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the real one until the context ends, and kill -9 it."""
    with config.with_suffix(".log").open("ab") as log:
        one = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "concierge_scheduler", "--config", str(config)),
            env=environ,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield one
    finally:
        one.kill()
        await one.wait()


@contextlib.asynccontextmanager
async def at_work(folder: Path) -> AsyncIterator[int]:
    """Give the pid of the docker child that waits at the gate; at the end it is ended."""

    async def begun() -> bool:
        return (folder / "pid").exists() and (folder / "pid").read_text().endswith("\n")

    await containers.met(begun)
    pid = int((folder / "pid").read_text())
    try:
        yield pid
    finally:
        if not await gone(pid):
            os.kill(pid, signal.SIGKILL)


async def gone(pid: int) -> bool:
    """Tell whether it has ended; a zombie has."""
    with contextlib.suppress(OSError):
        return not Path(f"/proc/{pid}/cmdline").read_bytes()
    return True


async def order(link: bus.Bus, name: str, number: int) -> str:
    """Send an operator's command for this number, and return its id."""
    one = stage.command("scale_to", number, service=name, target=name, manual=True, problem="")
    return (await stage.send(link, one)).id


@pytest.mark.timeout(300)
async def test_the_newer_number_stands(link: bus.Bus, nats_url: str, tmp_path: Path) -> None:
    peer.need("docker")
    if not shutil.which("setpriv"):
        pytest.skip("there is no setpriv")
    async with asyncio.TaskGroup() as group:
        group.create_task(story(link, nats_url, tmp_path / "dies", "setpriv"))
        group.create_task(story(link, nats_url, tmp_path / "survives"))


async def story(link: bus.Bus, nats_url: str, folder: Path, *mourning: str) -> None:
    """Two schedulers, one after the other, and a child of the first that dies with it or does not."""
    name = folder.name
    environ = tools(folder, "env", "timeout", "sh", "sleep", *mourning, quiet="" if mourning else QUIET)
    async with (
        containers.compose(folder, {name: {}}, [name]) as project,
        stage.hearing(link, name) as ear,
    ):
        place = {name: test_crash.compose_of(project) + TIMEOUT}
        config = crash.written(folder / "concierge.toml", nats_url, 1, place, {name: name})
        sent = [await order(link, name, OLDER)]
        async with contextlib.AsyncExitStack() as stack:
            async with scheduler(config, environ):
                child = await stack.enter_async_context(at_work(folder))
            if mourning:
                await containers.met(lambda: gone(child))
            await stack.enter_async_context(scheduler(config, dict(os.environ)))
            await ear.until(lambda: ear.outcomes)
            sent.append(await order(link, name, NEWER))
            await ear.until(lambda: len(ear.outcomes) == len(sent))
            if not mourning:
                assert not await gone(child), "it is at work all the time"
                await let_go(folder, child, ear, project.project)
            assert await containers.states(project.project) == ["running"] * NEWER
    judge(ear, sent, late=not mourning)


async def let_go(folder: Path, child: int, ear: stage.Ear, project: str) -> None:
    """Let the child set its number, and wait until that is undone."""

    async def undone() -> bool:
        return await containers.states(project) == ["running"] * NEWER

    await asyncio.to_thread((folder / "gate").write_text, "go\n")
    await containers.met(lambda: gone(child))
    await ear.until(lambda: len(ear.outcomes) > 2)
    await containers.met(undone)
    await ear.until(lambda: len(ear.outcomes) == len(ear.acts))


def judge(ear: stage.Ear, sent: list[str], *, late: bool) -> None:
    """Hold the log to the promise: one decision and one outcome a command, and a reason for whatever else was done."""
    ordered = [(one.command_id, one.reason, one.wanted) for one in ear.acts if one.command_id]
    assert ordered == [(sent[0], "ok", OLDER), (sent[1], "ok", NEWER)]
    assert [one.command_id for one in ear.outcomes if one.command_id] == sent
    assert {one.result for one in ear.outcomes} == {"converged"}
    undone = {(one.reason, one.wanted) for one in ear.acts if not one.command_id}
    assert undone == ({("late_call", NEWER)} if late else set())
    assert len(ear.acts) == len(ear.outcomes)
    assert "drift" not in ear.controls
