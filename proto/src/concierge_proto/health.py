"""`/healthz`, `/readyz` and `/metrics` for a service that serves nothing else over HTTP."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable

from concierge_proto import errors

_PORT = re.compile(r"[0-9]{1,5}")
_LIMIT = 8 * 1024
"""Bytes of a request's head."""
_PATIENCE = 5.0
"""Seconds for a whole request."""

Ready = Callable[[], str]
"""Returns "" when ready, else what is missing."""
Render = Callable[[], bytes]
"""Returns the metrics in Prometheus's text format."""


def address(listen: str) -> tuple[str, int]:
    """Take `host:port` apart; raise Malformed."""
    host, _, port = listen.rpartition(":")
    if not host or not _PORT.fullmatch(port) or int(port) > 65535:  # noqa: PLR2004 - 16 bits
        raise errors.Malformed(f"listen = {listen!r}: write host:port, e.g. 127.0.0.1:8080")
    return host.strip("[]"), int(port)


@contextlib.asynccontextmanager
async def serving(listen: str, ready: Ready, render: Render) -> AsyncIterator[int]:
    """Answer while the context is open; yields the port. An empty `listen` serves nothing."""
    if not listen:
        yield 0
        return
    host, port = address(listen)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(
            OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError
        ):
            async with asyncio.timeout(_PATIENCE):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(_response(head, ready, render))
                await writer.drain()
        writer.close()

    try:
        server = await asyncio.start_server(answer, host, port, limit=_LIMIT)
    except OSError as error:
        raise errors.Permanent(f"cannot listen on {listen}: {error.strerror}") from error
    async with server:
        yield server.sockets[0].getsockname()[1]


def _response(head: bytes, ready: Ready, render: Render) -> bytes:
    method, _, rest = head.partition(b" ")
    path = rest.partition(b" ")[0].partition(b"?")[0]
    if method not in {b"GET", b"HEAD"}:
        return _page(405, "only GET\n")
    if path == b"/healthz":
        return _page(200, "ok\n")
    if path == b"/readyz":
        missing = ready()
        return _page(503, f"{missing}\n") if missing else _page(200, "ready\n")
    if path == b"/metrics":
        return _page(200, render().decode())
    return _page(404, "/healthz, /readyz or /metrics\n")


def _page(status: int, text: str) -> bytes:
    body = text.encode()
    head = (
        f"HTTP/1.1 {status} -\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
