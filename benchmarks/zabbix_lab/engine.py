"""What Docker was told and when, and when the containers came and went: by a shim before its client, and by its events."""

import asyncio
import contextlib
import os
import shutil
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path

EVENTS = ("--filter", "type=container", "--filter", "event=start", "--filter", "event=die")
FORM = '{{index .Actor.Attributes "com.docker.compose.project"}} {{.Action}} {{.TimeNano}}'
SHIM = """\
#!/bin/bash
printf '%s %s\\n' "${{EPOCHREALTIME/[.,]/}}" "$*" >> {log}
exec {docker} "$@"
"""


class Engine:
    """Times are ns since 1970, of this machine's one clock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        """First on the PATH of whoever is watched."""
        self._log = folder / "calls"
        self._happened: defaultdict[str, asyncio.Queue[tuple[str, int]]] = defaultdict(asyncio.Queue)

    async def next(self, project: str, what: str) -> int:
        """Return when the project's next container did `start` or `die`."""
        async with asyncio.timeout(60):
            found, at_ns = await self._happened[project].get()
        if found != what:
            raise RuntimeError(f"project {project}: a container did {found}, and {what} was due")
        return at_ns

    def idle(self, project: str) -> bool:
        """Whether nothing happened that nobody asked for."""
        return self._happened[project].empty()

    def called(self, project: str, since_ns: int) -> int:
        """Return when the client was first started for `compose up` on the project after that moment."""
        for at_ns, words in self.calls(since_ns):
            if f"--project-name {project} " in words and " up " in words:
                return at_ns
        raise RuntimeError(f"project {project}: a container started, and nobody called docker")

    def calls(self, since_ns: int) -> list[tuple[int, str]]:
        """Return when the client was started after that moment, and with which words."""
        lines = (line.partition(" ") for line in self._log.read_text().splitlines())
        found = [(int(stamp) * 1000, words) for stamp, _, words in lines]
        return [call for call in found if call[0] > since_ns]

    async def _listen(self, heard: asyncio.StreamReader) -> None:
        async for line in heard:
            project, action, at_ns = line.decode().split()
            self._happened[project].put_nowait((action, int(at_ns)))


@contextlib.asynccontextmanager
async def watched(folder: Path) -> AsyncIterator[Engine]:
    """Put the shim into `folder` and follow the events of the peers' engine."""
    folder.mkdir()
    engine = Engine(folder)
    _install(folder)
    child = await asyncio.create_subprocess_exec(
        *("docker", "--host", os.environ["PEER_DOCKER_HOST"], "events", *EVENTS, "--format", FORM),
        stdout=asyncio.subprocess.PIPE,
    )
    assert child.stdout
    listening = asyncio.create_task(engine._listen(child.stdout))  # noqa: SLF001 - its own maker
    try:
        yield engine
    finally:
        listening.cancel()
        child.terminate()
        await child.wait()


def _install(folder: Path) -> None:
    shim = folder / "docker"
    shim.write_text(SHIM.format(log=folder / "calls", docker=shutil.which("docker")))
    shim.chmod(0o755)
    (folder / "calls").touch()
