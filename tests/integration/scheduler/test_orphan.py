"""A docker child that outlives its scheduler, against a newer number, on a real engine."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from concierge_proto import bus, identity, settings
from concierge_scheduler import ledger, state
from concierge_scheduler.targets import compose
from tests import containers, peer
from tests.integration.scheduler import stage

WAITING = 'kill -STOP $$; exec "$@"'
"""A child that has been started, and has not yet looked at what runs: it can do the most harm."""


@contextlib.asynccontextmanager
async def orphan(project: settings.Target, count: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """Give an `up` that nobody's death ends, stopped until it gets a CONT."""
    file = f"{project.project_directory}/{project.files[0]}"
    words = ("docker", "--host", project.host, "compose", "--project-name", project.project, "--file", file)
    scale = ("up", "--detach", "--scale", f"web={count}", "--no-recreate", "--no-deps", "web")
    child = await asyncio.create_subprocess_exec(
        *("sh", "-c", WAITING, "sh", *words, *scale),
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


@pytest.mark.parametrize(("begin", "older", "newer"), [(1, 4, 2), (4, 1, 3)], ids=["out", "in"])
async def test_the_newer_number_stands(
    link: bus.Bus, tmp_path: Path, begin: int, older: int, newer: int
) -> None:
    """The orphan of the older number ends last, and is undone."""
    peer.need("docker")
    services = {"web": stage.policy(converge=30.0)}
    async with (
        containers.compose(tmp_path, {"web": {}}, ["--scale", f"web={begin}", "web"]) as project,
        compose.open("shop", project, services, "") as target,
        orphan(project, older) as child,
        stage.hearing(link) as ear,
    ):
        document = state.dump(left_behind(begin, older))
        await link.store(ledger.BUCKET).create("web", document)
        async with stage.keeping(link, target, services):
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
        assert await containers.states(project.project) == ["running"] * newer
    late = [one for one in ear.acts if one.command_id != order.id]
    assert {(one.reason, one.wanted, one.correlation_id) for one in late} == {
        ("late_call", newer, "of the orphan")
    }
    assert [one.command_id for one in ear.outcomes].count(order.id) == 1
    assert "drift" not in ear.controls
