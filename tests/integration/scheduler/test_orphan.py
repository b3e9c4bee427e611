"""A docker child that outlives its scheduler, against a newer number, on a real engine."""

import asyncio
import contextlib
import os
import secrets
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from concierge_proto import bus, identity, settings
from concierge_scheduler import ledger, state
from concierge_scheduler.targets import compose, port, swarm
from tests import containers, peer
from tests.integration.scheduler import stage

WAITING = 'kill -STOP $$; exec "$@"'
"""A child that has been started, and has not yet looked at what runs: it can do the most harm."""


def up(project: settings.Target, count: int) -> tuple[str, ...]:
    file = f"{project.project_directory}/{project.files[0]}"
    words = ("compose", "--project-name", project.project, "--file", file)
    return (*words, *("up", "--detach", "--scale", f"web={count}", "--no-recreate", "--no-deps", "web"))


@contextlib.asynccontextmanager
async def orphan(*words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Give a docker that nobody's death ends, stopped until it gets a CONT."""
    child = await asyncio.create_subprocess_exec(
        *("sh", "-c", WAITING, "sh", "docker", "--host", peer.need("docker"), *words),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        await containers.met(lambda: stopped(child.pid))
        yield child
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        await child.wait()


async def stopped(pid: int) -> bool:
    return "\nState:\tT" in Path(f"/proc/{pid}/status").read_text()


def left_behind(before: int, wanted: int) -> state.State:
    """Return the document of a service whose holder died in the middle of this change."""
    order = stage.command()
    change = state.Change(
        id=identity.mint(),
        command_id=order.id,
        correlation_id="of the orphan",
        before=before,
        wanted=wanted,
        lease=1,
        started_at=order.issued_at,
        expires_at=order.expires_at,
    )
    return state.State(service="web", count=before, running=change)


async def story(
    link: bus.Bus,
    target: port.Target,
    policy: settings.Service,
    child: asyncio.subprocess.Process,
    *,
    begin: int,
    older: int,
    newer: int,
) -> None:
    """Finish the change of the orphan, make a newer one, and let the orphan go: it is undone."""
    await link.store(ledger.BUCKET).create("web", state.dump(left_behind(begin, older)))
    async with stage.hearing(link) as ear, stage.keeping(link, target, {"web": policy}):
        await ear.until(lambda: ear.outcomes)
        order = stage.command("scale_to", newer, manual=True)
        await stage.send(link, order)
        await ear.until(lambda: len(ear.outcomes) == 2)
        assert await stopped(child.pid), "it was there all the time"
        assert [one.after for one in ear.outcomes] == [older, newer]
        child.send_signal(signal.SIGCONT)
        await child.wait()
        await ear.until(lambda: len(ear.outcomes) > 2)
        await containers.until(target, "web", newer)
        await ear.until(lambda: len(ear.outcomes) == len(ear.acts) + 1)
    late = [one for one in ear.acts if one.command_id != order.id]
    assert {(one.reason, one.wanted, one.correlation_id) for one in late} == {
        ("late_call", newer, "of the orphan")
    }
    assert [one.command_id for one in ear.outcomes].count(order.id) == 1
    assert "drift" not in ear.controls


@pytest.mark.parametrize(("begin", "older", "newer"), [(1, 4, 2), (4, 1, 3)], ids=["out", "in"])
async def test_the_newer_number_stands(
    link: bus.Bus, tmp_path: Path, begin: int, older: int, newer: int
) -> None:
    """The orphan of the older number ends last."""
    peer.need("docker")
    policy = stage.policy(converge=30.0)
    async with (
        containers.compose(tmp_path, {"web": {}}, ["--scale", f"web={begin}", "web"]) as project,
        compose.open("shop", project, {"web": policy}, "") as target,
        orphan(*up(project, older)) as child,
    ):
        await story(link, target, policy, child, begin=begin, older=older, newer=newer)
        assert await containers.states(project.project) == ["running"] * newer


async def test_the_newer_number_stands_in_a_swarm(link: bus.Bus) -> None:
    peer.need("swarm")
    name = f"ct{secrets.token_hex(4)}"
    policy = stage.policy(name=name, converge=30.0)
    async with (
        containers.swarm([name]) as place,
        swarm.open("shop", place, {"web": policy}, "") as target,
        orphan("service", "update", "--detach", "--quiet", "--replicas", "4", name) as child,
    ):
        await containers.until(target, "web", 1)
        await story(link, target, policy, child, begin=1, older=4, newer=2)
