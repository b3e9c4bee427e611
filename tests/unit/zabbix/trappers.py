"""A trapper port on loopback that misbehaves as a real server will not on demand."""

import asyncio
import contextlib
import json
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

Answer = Callable[[dict[str, Any]], Awaitable[bytes | None] | bytes | None]


def reply(**fields: Any) -> bytes:
    body = json.dumps(fields).encode()
    return b"ZBXD\x01" + struct.pack("<II", len(body), 0) + body


def counted(processed: int, failed: int) -> bytes:
    info = f"processed: {processed}; failed: {failed}; total: {processed + failed}; seconds spent: 0.000001"
    return reply(response="success", info=info)


class Trapper:
    """Keeps every request, and answers each with what `answer` returns; None closes the connection."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.requests: list[dict[str, Any]] = []
        self.bodies: list[bytes] = []
        """What came, unpacked."""
        self.address = ""

    def values(self) -> list[dict[str, Any]]:
        return [row for request in self.requests for row in request.get("data", [])]

    def kinds(self) -> list[str]:
        return [request["request"] for request in self.requests]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readexactly(13)
            body = await reader.readexactly(struct.unpack("<I", head[5:9])[0])
            self.bodies.append(zlib.decompress(body) if head[4] & 2 else body)
            request = json.loads(self.bodies[-1])
            self.requests.append(request)
            answer = self.answer(request)
            data = answer if isinstance(answer, bytes | None) else await answer
            writer.write(data or b"")
            await writer.drain()
        except (asyncio.CancelledError, OSError, EOFError):
            pass
        finally:
            writer.close()


def accepting(request: dict[str, Any]) -> bytes:
    if request["request"] == "active checks":
        return reply(response="failed", info="host not found")
    return counted(len(request["data"]), 0)


@contextlib.asynccontextmanager
async def trapper(answer: Answer = accepting) -> AsyncIterator[Trapper]:
    fake = Trapper(answer)
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield fake
    finally:
        server.close()
