"""A door in front of a real server: a test shuts it or freezes it, and nobody else who uses that server is hurt."""

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Gate:
    """Passes bytes on. Shut, it refuses everyone; frozen, it takes calls and answers none.

    Addresses are `HOST:PORT` or the path of a unix socket.
    """

    def __init__(self, address: str, behind: str) -> None:
        self.address = address
        self.melted = asyncio.Event()
        self.melted.set()
        self._behind = behind
        self._calls: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Let everyone in."""
        if self.address.startswith("/"):
            self._server = await asyncio.start_unix_server(self._enter, self.address)
        else:
            host, _, port = self.address.rpartition(":")
            self._server = await asyncio.start_server(self._enter, host, int(port))

    async def shut(self) -> None:
        """Refuse everyone, and hang up on those who are inside."""
        if not self._server:
            return
        for listening in self._server.sockets:
            asyncio.get_running_loop().remove_reader(listening.fileno())
        await asyncio.sleep(0.01)  # asyncio would forget, not close, those whom it is just letting in
        self._server.close()
        calls = list(self._calls)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    def _enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        call = asyncio.create_task(self._answer(reader, writer))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        call.add_done_callback(lambda _: writer.close())

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            there, here = await self._call()
            try:
                await asyncio.gather(self._pass(reader, here), self._pass(there, writer))
            finally:
                here.close()

    async def _call(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._behind.startswith("/"):
            return await asyncio.open_unix_connection(self._behind)
        host, _, port = self._behind.rpartition(":")
        return await asyncio.open_connection(host, int(port))

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            await self.melted.wait()
            sink.write(data)
            await sink.drain()
        if sink.can_write_eof():
            sink.write_eof()


@contextlib.asynccontextmanager
async def before(behind: str, address: str) -> AsyncIterator[Gate]:
    """Stand before a server while the context is open."""
    gate = Gate(address, behind)
    await gate.open()
    try:
        yield gate
    finally:
        await gate.shut()
