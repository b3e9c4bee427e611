"""The peer ``docker``: the machine's own engine if it answers, else a private one; images, Compose, a swarm."""

import asyncio
import contextlib
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path

from . import engine, house, images, install, process, swarm

PLUGIN = Path("/usr/local/lib/docker/cli-plugins/docker-compose")


async def start(at: house.House, room: Path, stack: AsyncExitStack) -> dict[str, str]:
    """Variables for the command; a part that cannot be had comes as ``missing.<part>`` with its reason."""
    (docker, kind), _, _ = await process.together(
        engine_of(at, room, stack), failure(images.archives(at)), failure(plugin(at))
    )
    parts = {"image": images.provide(at, docker), "compose": compose(docker), "swarm": swarm.start(docker)}
    reasons = await process.together(*(failure(part) for part in parts.values()))
    missing = {part: why for part, why in zip(parts, reasons, strict=True) if why}
    return {
        "version": f"{await docker.docker('version', '--format', '{{.Server.Version}}')}, {kind}",
        "PATH": docker.environment["PATH"],
        "PEER_DOCKER_HOST": docker.host,
        "PEER_DOCKER_GATEWAY": docker.gateway,
        **({"PEER_DOCKER_TLS": docker.tls, "PEER_DOCKER_PAPERS": str(docker.papers)} if docker.tls else {}),
        **(
            {}
            if "image" in missing
            else {"PEER_DOCKER_IMAGE": images.PYTHON, "PEER_DOCKER_TINY": images.TINY}
        ),
        **({} if "swarm" in missing else swarm.variables()),
        **{f"missing.{part}": why for part, why in missing.items()},
    }


async def engine_of(at: house.House, room: Path, stack: AsyncExitStack) -> tuple[engine.Engine, str]:
    found = await engine.existing(at)
    return (found, "already here") if found else (await engine.start(at, room, stack), "private")


async def failure(part: Coroutine[None, None, object]) -> str | None:
    """Wait for a part; the reason if it cannot be had."""
    try:
        await part
    except process.Unavailable as problem:
        return str(problem)
    return None


async def plugin(at: house.House) -> None:
    """Put Compose where every docker client looks, unless the client has one."""
    with contextlib.suppress(process.Unavailable, OSError):
        await process.capture("docker", "compose", "version", env=at.environment)
        return
    root = await install.provide(at, install.COMPOSE)
    await asyncio.to_thread(link, root)


def link(root: install.Root) -> None:
    binary = next(root.path.glob("usr/lib*/**/cli-plugins/docker-compose"))
    PLUGIN.parent.mkdir(parents=True, exist_ok=True)
    PLUGIN.unlink(missing_ok=True)
    PLUGIN.symlink_to(binary)


async def compose(docker: engine.Engine) -> None:
    await docker.docker("compose", "version")
