"""The real command `concierge`, as an operator runs it."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

CONFIG = """\
[gateway]
listen = "127.0.0.1:0"

[targets.local]
kind = "process"

[services.web]
target = "local"
min = 1
max = 3
cooldown_out = "1s"
cooldown_in = "1s"
settle = "100ms"

[services.web.process]
command = ["sleep", "3600"]
"""


class Said(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


class Desk:
    """A folder with a configuration, and a state folder of its own."""

    def __init__(self, folder: Path, config: str = CONFIG) -> None:
        self.folder = folder
        if config:
            (folder / "concierge.toml").write_text(config, "utf-8")
        self.env = {**os.environ, "XDG_STATE_HOME": str(folder / "state"), "COLUMNS": "200"}

    async def start(self, *words: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            Path(sys.executable).parent / "concierge",
            *words,
            cwd=self.folder,
            env=self.env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def say(self, *words: str) -> Said:
        child = await self.start(*words)
        out, err = await child.communicate()
        return Said(child.returncode or 0, out.decode(), err.decode())

    @contextlib.asynccontextmanager
    async def up(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """Run `concierge up` while the context is open; ends it as Ctrl-C would."""
        child = await self.start("up")
        assert child.stderr
        seen = b""
        async with asyncio.timeout(30):
            while b"Ctrl-C ends it" not in seen:
                line = await child.stderr.readline()
                assert line, seen.decode()
                seen += line
        reading = asyncio.create_task(child.stderr.read())
        try:
            yield child
        finally:
            if child.returncode is None:
                child.send_signal(signal.SIGINT)
            await child.wait()
            reading.cancel()

    def pids(self) -> list[int]:
        """Return every process whose environment names our state folder."""
        mark = f"XDG_STATE_HOME={self.env['XDG_STATE_HOME']}".encode()
        found = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if mark in path.read_bytes().split(b"\0"):
                    found.append(int(path.parent.name))
        return found
