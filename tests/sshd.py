"""A real sshd with one account, which may do one thing: be the far end of a docker client."""

import asyncio
import contextlib
import shlex
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

from tests import peer
from tests.peers import install, place, process

ACCOUNTS = """\
root:*:0:0:root:/root:/bin/sh
sshd:*:100:65534::/run/sshd:/usr/sbin/nologin
"""
# In the daemon's own mounts: the accounts and the folder that its package would make.
PREPARE = 'mount -t tmpfs tmpfs /run && mkdir /run/sshd && mount --bind "$1" /etc/passwd && mount --bind "$2" /etc/shadow'


class Sshd(NamedTuple):
    """Where it listens, and the files that let somebody in."""

    host: str
    """`ssh://…`, for docker."""
    key: Path
    known_hosts: Path


@contextlib.asynccontextmanager
async def serving(room: Path, engine: str) -> AsyncIterator[Sshd]:
    """Run it in a folder of its own, before the engine at this address (`unix://…`, not below /run)."""
    root = await _root()
    port = process.free_port()
    for name in ("host", "key"):
        await process.capture("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", room / name)
    await asyncio.to_thread(_write, room, port, engine)
    async with AsyncExitStack() as stack:
        daemon = await process.start(
            stack,
            (
                *(*process.NAMESPACE, "sh", "-c", f'{PREPARE} && shift 2 && exec "$@"', "sh"),
                *(
                    room / "passwd",
                    room / "shadow",
                    root.program("sshd"),
                    "-D",
                    "-e",
                    "-f",
                    room / "sshd.conf",
                ),
            ),
            room / "sshd.log",
            env=root.environment,
        )
        await process.until(lambda: process.answers(port), daemon)
        yield Sshd(f"ssh://root@127.0.0.1:{port}", room / "key", room / "known_hosts")


async def _root() -> install.Root:
    at = place.here()
    if at.obstacle:
        peer.miss(f"no sshd: {at.obstacle}")
    try:
        return await install.provide(at, install.SSH)
    except process.Unavailable as problem:
        peer.miss(f"no sshd: {problem}")


def _write(room: Path, port: int, engine: str) -> None:
    client = shutil.which("docker") or "docker"
    command = shlex.join(["env", f"DOCKER_HOST={engine}", client, "system", "dial-stdio"])
    public = (room / "host.pub").read_text()
    (room / "passwd").write_text(ACCOUNTS)
    (room / "shadow").write_text("root:*:19000:0:99999:7:::\n")
    (room / "authorized").write_text(f'restrict,command="{command}" {(room / "key.pub").read_text()}')
    (room / "known_hosts").write_text(f"[127.0.0.1]:{port} {public}")
    config = {
        "ListenAddress": f"127.0.0.1:{port}",
        "HostKey": room / "host",
        "AuthorizedKeysFile": room / "authorized",
        "PidFile": "none",
        "PermitRootLogin": "forced-commands-only",
        "KbdInteractiveAuthentication": "no",
        "PasswordAuthentication": "no",
        "StrictModes": "no",
        "UsePAM": "no",
    }
    (room / "sshd.conf").write_text("".join(f"{name} {value}\n" for name, value in config.items()))
