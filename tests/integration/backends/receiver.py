"""A gateway of the test's own: it takes what is posted, and answers what it is told to."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import NamedTuple


class Posted(NamedTuple):
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """`answers`: the statuses of the next requests; then 202."""

    def __init__(self) -> None:
        self.posted: asyncio.Queue[Posted] = asyncio.Queue()
        self.answers: list[int] = []
        self.url = ""
        self._open: set[asyncio.StreamWriter] = set()

    async def next(self) -> Posted:
        async with asyncio.timeout(15):
            return await self.posted.get()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await self._request(reader, writer)
        writer.close()
        self._open.discard(writer)

    async def close(self) -> None:
        """Hang up: callers keep their connections for the next call."""
        for writer in list(self._open):
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
        body = await reader.readexactly(int(headers["content-length"]))
        self.posted.put_nowait(Posted(head[0].split()[1], headers, body))
        status = self.answers.pop(0) if self.answers else 202
        writer.write(f"HTTP/1.1 {status} -\r\nContent-Length: 2\r\n\r\n{{}}".encode())
        await writer.drain()


@contextlib.asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """Listen on a free port."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.answer, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield receiver
    finally:
        server.close()
        await receiver.close()
