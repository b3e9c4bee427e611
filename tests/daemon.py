"""A Docker engine of a test's own: to freeze it, to kill it, and to start it again."""

import contextlib
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

from tests import containers, peer
from tests.peers import engine, house, place, process


class Daemon:
    """One private dockerd."""

    def __init__(self, found: engine.Engine, room: Path, stack: AsyncExitStack) -> None:
        self.engine = found
        self._room = room
        self._stack = stack

    def freeze(self) -> None:
        os.kill(self._pid("dockerd"), signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self._pid("dockerd"), signal.SIGCONT)

    async def restart(self) -> None:
        """Kill it with all its containers, and start it on what it has left behind."""
        first = self._pid("unshare")
        command = _words(first, "cmdline")
        variables = dict(word.split("=", 1) for word in _words(first, "environ"))
        os.kill(first, signal.SIGKILL)
        await containers.met(self._away)
        try:
            await self._again(command, variables)
        except process.Unavailable:  # it gives its containerd 15 s, which are few on a busy machine
            await self._again(command, variables)

    async def _again(self, command: list[str], variables: dict[str, str]) -> None:
        for left in ("docker.sock", "docker.pid"):
            (self._room / left).unlink(missing_ok=True)
        daemon = await process.start(self._stack, command, self._room / "again.log", env=variables)
        await process.until(lambda: engine.alive(self.engine), daemon)

    async def _away(self) -> bool:
        return not list(_running(self._room / "docker.json"))

    def _pid(self, program: str) -> int:
        return next(
            pid
            for pid in _running(self._room / "docker.json")
            if Path(_words(pid, "cmdline")[0]).name == program
        )


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[Daemon]:
    """Run an engine that has the tiny image and nothing else."""
    peer.need("image")
    at = place.here()
    if at.obstacle:
        peer.miss(f"no engine of a test's own: {at.obstacle}")
    with house.room(at) as room:
        own = room / "docker"
        own.mkdir()
        async with AsyncExitStack() as stack:
            found = await engine.start(at, own, stack)
            await containers.docker("save", "--output", str(own / "tiny.tar"), containers.tiny())
            await found.docker("load", "--input", own / "tiny.tar")
            yield Daemon(found, own, stack)


def _running(config: Path) -> list[int]:
    pids = (int(one.name) for one in Path("/proc").iterdir() if one.name.isdigit())
    return [pid for pid in pids if str(config) in _words(pid, "cmdline")]


def _words(pid: int, file: str) -> list[str]:
    try:
        return Path(f"/proc/{pid}/{file}").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
    except OSError:
        return []
