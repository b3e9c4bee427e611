"""A service of Concierge, or its rival, in a process of its own; what the kernel says of it."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import httpx


class Part(NamedTuple):
    """One that runs."""

    pid: int

    @property
    def cpu(self) -> float:
        """Seconds of CPU that it has used, without its children."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def peak(self) -> float:
        """Megabytes that it had in memory at most."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024 / 1e6


@contextlib.asynccontextmanager
async def child(*words: str, **variables: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `python WORDS` while the context is open, and no longer than this process."""
    started = await asyncio.create_subprocess_exec(
        *("setpriv", "--pdeathsig", "TERM", sys.executable, *words),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **variables},
    )
    try:
        yield started
    finally:
        with contextlib.suppress(ProcessLookupError):
            started.send_signal(signal.SIGTERM)
        await started.wait()


@contextlib.asynccontextmanager
async def service(name: str, config: Path, listen: str, **variables: str) -> AsyncIterator[Part]:
    """Run `concierge_NAME` by its file, once it is ready; it answers probes on `listen`."""
    async with child("-m", f"concierge_{name}", "--config", str(config), **variables) as started:
        await _ready(f"http://{listen}")
        yield Part(started.pid)


def free() -> str:
    """Return an address to listen on."""
    with socket.create_server(("127.0.0.1", 0)) as opened:
        return f"127.0.0.1:{opened.getsockname()[1]}"


async def _ready(url: str) -> None:
    async with asyncio.timeout(60), httpx.AsyncClient() as client:
        while True:
            with contextlib.suppress(httpx.TransportError):
                if (await client.get(f"{url}/readyz")).status_code == httpx.codes.OK:
                    return
            await asyncio.sleep(0.05)
