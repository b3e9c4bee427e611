"""The real executable against a real nats-server, and what the bus then holds."""

import asyncio
import contextlib
import itertools
import os
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from concierge_cli import nats
from concierge_proto import bus, messages, subjects

Stored = AsyncGenerator[messages.Snapshot, None]


class Courier:
    """One that runs."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.pid = process.pid

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ended(self) -> int:
        """Return the exit code; -n when a signal ended the courier itself."""
        return await asyncio.wait_for(self.process.wait(), 40)

    async def said(self) -> str:
        """Return everything on its stderr, once it has ended."""
        assert self.process.stderr
        return (await self.process.stderr.read()).decode()

    async def printed(self) -> str:
        assert self.process.stdout
        return (await self.process.stdout.read()).decode()


Run = Callable[..., AbstractAsyncContextManager[Courier]]


@contextlib.asynccontextmanager
async def courier(*words: str, under: Sequence[str] = (), **environ: str) -> AsyncIterator[Courier]:
    """Run the executable; told to stop at the end, and its child with it, when it still runs."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("CONCIERGE_")}
    process = await asyncio.create_subprocess_exec(
        *under,
        str(Path(sys.executable).with_name("concierge-courier")),
        *words,
        env={**clean, **environ},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield Courier(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await asyncio.wait_for(process.communicate(), 40)


async def snapshots(link: bus.Bus) -> Stored:
    """Yield what was stored, from the first one, and go on for ever."""
    subject = subjects.snapshot("web", "web-1")
    async for delivery in link.history("TELEMETRY", subject, follow=True):
        yield delivery.read(messages.Snapshot)


async def first(stored: Stored, fits: Callable[[messages.Snapshot], object]) -> messages.Snapshot:
    """Return the next snapshot that fits."""
    async with asyncio.timeout(40):
        async for snapshot in stored:
            if fits(snapshot):
                return snapshot
    raise AssertionError


async def changes(link: bus.Bus) -> list[messages.InstanceChange]:
    found = link.history("EVENTS", subjects.event("web", "instance"))
    return [delivery.read(messages.InstanceChange) async for delivery in found]


async def beats(link: bus.Bus) -> AsyncGenerator[messages.Heartbeat, None]:
    """Yield the last heartbeat, and each that follows."""
    subject = subjects.heartbeat("web", "web-1")
    async for delivery in link.history("PRESENCE", subject, follow=True):
        yield delivery.read(messages.Heartbeat)


def facts(snapshot: messages.Snapshot) -> dict[str, messages.Value]:
    """Return the courier's own items."""
    blocks = (block.cells() for block in snapshot.blocks if block.kind == "item")
    return {name: value for name, _, value in itertools.chain.from_iterable(blocks)}


class Server:
    """A nats-server that can be killed and come back with its streams."""

    def __init__(self, folder: Path, port: int, listen: str = "127.0.0.1") -> None:
        self._folder, self._port, self._listen = folder, port, listen
        self._stack = contextlib.AsyncExitStack()

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self._port}"

    async def start(self) -> None:
        await self._stack.enter_async_context(
            nats.server(self._folder / "store", self._folder / "run", port=self._port, listen=self._listen)
        )

    async def kill(self) -> None:
        """Not politely."""
        for ports in (self._folder / "run").glob("nats-server_*.ports"):
            os.kill(int(ports.stem.rpartition("_")[2]), signal.SIGKILL)
            ports.unlink()
        await self._stack.aclose()

    async def stop(self) -> None:
        await self._stack.aclose()
