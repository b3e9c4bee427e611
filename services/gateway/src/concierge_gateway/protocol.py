"""uvicorn's HTTP with a bounded head: neither it nor the parser below limits how long one is, or takes."""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http import httptools_impl

HEAD_LIMIT = 32 * 1024
"""Bytes after which a head that has not ended is cut off."""
HEAD_PATIENCE = 10.0
"""Seconds from the connection, or from a request's first byte, to the end of its head."""

_TOO_LONG = f"The head of the request is longer than {HEAD_LIMIT:,} bytes."


class Whole:
    """A transport that writes once what is said in one turn: a head and its body would be two calls of the kernel."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._held: list[bytes] = []

    def write(self, data: bytes) -> None:
        if not self._held:
            asyncio.get_running_loop().call_soon(self._flush)
        self._held.append(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._held:
            self._transport.write(b"".join(self._held))
            self._held.clear()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Protocol(httptools_impl.HttpToolsProtocol):
    """One connection."""

    _head: int | None = 0
    """Bytes of the head so far; None while a body comes."""
    _begun = False
    """True while the parser is inside a head."""
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast("asyncio.Transport", Whole(transport)))
        self._wait()

    def data_received(self, data: bytes) -> None:
        if self._head is not None:
            self._head += len(data)
        super().data_received(data)
        if self._begun and self._deadline is None:
            self._wait()  # only for a head that did not come in one piece
        if self._head is not None and self._head > HEAD_LIMIT and not self.transport.is_closing():
            self.send_400_response(_TOO_LONG)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begun = True

    def on_headers_complete(self) -> None:
        self._head, self._begun = None, False
        self._settle()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._head = 0

    def connection_lost(self, exc: Exception | None) -> None:
        self._settle()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._settle()
        self._deadline = self.loop.call_later(HEAD_PATIENCE, self.transport.close)

    def _settle(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
