"""Containers for tests: a compose project or swarm services of a test's own, removed when it ends."""

import asyncio
import contextlib
import json
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from pathlib import Path

from concierge_proto import settings
from concierge_scheduler.targets import port
from tests import peer

SLEEP = ("sleep", "1000")
PATIENCE = 30.0


async def docker(*words: str, **variables: str) -> str:
    """Return what `docker WORDS` prints, asked at the engine of the tests; fail with what it says."""
    child = await asyncio.create_subprocess_exec(
        *("docker", "--host", peer.need("docker"), *words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **variables},
    )
    async with asyncio.timeout(PATIENCE):
        out, said = await child.communicate()
    assert child.returncode == 0, f"docker {' '.join(words)}: {said.decode(errors='replace')}"
    return out.decode().strip()


@contextlib.asynccontextmanager
async def compose(
    folder: Path, services: Mapping[str, Mapping[str, object]], up: Iterable[str] = ()
) -> AsyncIterator[settings.Target]:
    """Give a project of these services (what each has beyond a sleep), with one container of each in `up`."""
    project = f"ct{secrets.token_hex(4)}"
    file = folder / "compose.yaml"
    base = {"image": tiny(), "command": SLEEP, "init": True, "stop_grace_period": "1s"}
    file.write_text(
        json.dumps({"services": {name: {**base, **more} for name, more in services.items()}}), "utf-8"
    )
    words = ("compose", "--project-name", project, "--file", str(file))
    try:
        if up:
            await docker(*words, "up", "--detach", "--no-deps", *up)
        yield settings.Target(
            kind="compose",
            host=peer.need("docker"),
            project=project,
            files=(file.name,),
            project_directory=str(folder),
        )
    finally:
        await _down(*words)


async def _down(*words: str) -> None:
    """Remove the project; again when what a killed client had asked for appeared only after `down` had looked."""
    for _ in range(3):
        with contextlib.suppress(AssertionError):
            await docker(*words, "down", "--remove-orphans", "--timeout", "1")
            return
        await asyncio.sleep(1)
    await docker(*words, "down", "--remove-orphans", "--timeout", "1")


@contextlib.asynccontextmanager
async def swarm(names: Iterable[str], *options: str) -> AsyncIterator[settings.Target]:
    """Give services of these names, one task each."""
    peer.need("swarm")
    created = list(names)
    try:
        for name in created:
            await docker(
                *("service", "create", "--detach", "--quiet", "--no-resolve-image", "--init"),
                *("--stop-grace-period", "1s", "--name", name, *options, tiny(), *SLEEP),
            )
        yield settings.Target(kind="swarm", host=peer.need("docker"))
    finally:
        await docker("service", "rm", *created)


async def met(condition: Callable[[], Awaitable[object]]) -> None:
    """Ask until the answer is yes."""
    async with asyncio.timeout(PATIENCE):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.05)


async def until(target: port.Target, service: str, *counts: int) -> port.Observed:
    """Read until exactly so many (or one of so many) are there and run; return that reading."""
    async with asyncio.timeout(PATIENCE):
        while True:
            seen = (await target.read())[service]
            if seen.settled == seen.present == seen.wanted and seen.wanted in counts:
                return seen
            await asyncio.sleep(0.05)


async def states(project: str) -> list[str]:
    """Return the state of every container of a compose project, dead ones too."""
    chosen = ("--filter", f"label=com.docker.compose.project={project}", "--format", "{{.State}}")
    return (await docker("ps", "--all", *chosen)).split()


def tiny() -> str:
    """Return an image that has `sleep` and little else."""
    return os.environ.get("PEER_DOCKER_TINY", "busybox")
