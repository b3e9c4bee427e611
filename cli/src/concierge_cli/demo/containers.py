"""The demo's containers: an image with the shop under a real courier, a compose project, a swarm service."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from concierge_cli.demo import image, scene
from concierge_proto import errors, settings

_COMPOSE = """\
services:
  {service}:
    image: {image}
    stop_grace_period: 3s
    command: {command}
"""


_FAREWELL = 40
"""Looks, half a second apart, until containers that do not end are left to Docker."""
_BUILDER = {"DOCKER_BUILDKIT": "0"} if "PEER_DOCKER_IMAGE" in os.environ else {}
"""BuildKit asks a registry for a base image that only this engine has."""


class Placed(NamedTuple):
    """Where the first instance runs, and what Docker calls it."""

    target: settings.Target
    service: str


async def docker(*arguments: str) -> str:
    """Run the docker client against PEER_DOCKER_HOST or the local engine; return what it prints.

    Raises Permanent with its last words.
    """
    engine = os.environ.get("PEER_DOCKER_HOST", "")
    where = ["--host", engine] if engine else []
    try:
        child = await asyncio.create_subprocess_exec(
            "docker",
            *where,
            *arguments,
            env={**os.environ, **_BUILDER},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except FileNotFoundError:
        raise errors.Permanent(
            "no docker client on PATH: install Docker, or run the demo without TARGET"
        ) from None
    out, complaint = await child.communicate()
    if child.returncode:
        raise errors.Permanent(
            f"docker {' '.join(arguments[:3])}: {complaint.decode(errors='replace').strip()}"
        )
    return out.decode().strip()


async def gateway() -> str:
    """Return the address of this machine on Docker's bridge."""
    given = os.environ.get("PEER_DOCKER_GATEWAY")
    if given:
        return given
    return await docker("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}")


@contextlib.asynccontextmanager
async def placed(
    name: str, target: settings.Target, folder: Path, nats: str, balancer: str
) -> AsyncIterator[Placed]:
    """Run the first container while the context is open; all of them are removed with it."""
    tag = await image.build(docker, folder / "image")
    command = _command(nats, balancer)
    engine = os.environ.get("PEER_DOCKER_HOST", "")
    if target.kind == "compose":
        file = folder / "compose.yaml"
        text = _COMPOSE.format(
            service=scene.SERVICE, image=tag, command=msgspec.json.encode(command).decode()
        )
        file.write_text(text, "utf-8")
        project = ("compose", "--project-name", name, "--file", str(file))
        await docker(*project, "up", "--detach", "--quiet-pull")
        found = settings.Target(
            kind="compose", host=engine, project=name, files=(str(file),), project_directory=str(folder)
        )
        removal, service = [*project, "down", "--timeout", "3"], scene.SERVICE
    else:
        await docker(
            "service",
            "create",
            "--detach",
            "--name",
            name,
            "--stop-grace-period",
            "3s",
            "--no-resolve-image",
            tag,
            *command,
        )
        found = settings.Target(kind="swarm", host=engine)
        removal, service = ["service", "rm", name], name
    try:
        yield Placed(found, service)
    finally:
        await docker(*removal)
        await _gone(name)


async def _gone(name: str) -> None:
    """Wait until no container of the demo is left: swarm removes a service before its tasks."""
    for _ in range(_FAREWELL):
        if not await docker("ps", "--quiet", "--filter", f"name={name}"):
            return
        await asyncio.sleep(0.5)


def _command(nats: str, balancer: str) -> list[str]:
    courier = [
        "python3",
        "-m",
        "concierge_courier",
        "run",
        "--service",
        scene.SERVICE,
        "--nats",
        nats,
        "--interval",
        "500ms",
    ]
    source = ["--source", "dropwizard=http://127.0.0.1:8080/metrics"]
    return [*courier, *source, "--", "python3", "/shop.py", "--port", "8080", "--balancer", balancer]
