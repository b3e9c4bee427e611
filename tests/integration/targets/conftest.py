"""An engine that hangs on request, without hurting those who share the real one."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests import peer


class Engine:
    """A socket in front of the real engine. While it is frozen it takes calls and answers none."""

    def __init__(self, host: str, socket: Path) -> None:
        self.host = f"unix://{socket}"
        self.melted = asyncio.Event()
        self.melted.set()
        self._behind = host.removeprefix("unix://")
        self._calls: set[asyncio.Task[None]] = set()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._calls.add(task)
        with contextlib.suppress(OSError, asyncio.CancelledError), contextlib.closing(writer):
            there, here = await asyncio.open_unix_connection(self._behind)
            with contextlib.closing(here):
                await asyncio.gather(self._pass(reader, here), self._pass(there, writer))
        self._calls.discard(task)

    async def hang_up(self) -> None:
        calls = list(self._calls)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            await self.melted.wait()
            sink.write(data)
            await sink.drain()
        if sink.can_write_eof():
            sink.write_eof()


@pytest.fixture
async def hanging(tmp_path: Path) -> AsyncIterator[Engine]:
    """The real engine behind a socket that a test can freeze: `hanging.melted.clear()`."""
    host = peer.need("docker")
    if not host.startswith("unix://"):
        pytest.skip(f"only an engine on a unix socket can be frozen here, not {host}")
    engine = Engine(host, tmp_path / "engine.sock")
    server = await asyncio.start_unix_server(engine.answer, tmp_path / "engine.sock")
    try:
        yield engine
    finally:
        server.close()
        await engine.hang_up()
        await server.wait_closed()
