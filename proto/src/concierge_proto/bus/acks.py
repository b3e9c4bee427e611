"""Publishes and their acknowledgements: as many at once as there are, over one inbox and with one timer.

nats-py's own request costs a task's turn, a timer and three regular expressions each; a webhook has three.
"""

import asyncio
import itertools
from collections.abc import Callable
from typing import NamedTuple

import msgspec
import nats.aio.client
import nats.aio.msg
import nats.errors
import nats.js.errors
from nats.js import api

from concierge_proto.bus.publish import Ack

_NOBODY = "503"
"""The status that NATS answers itself when nobody listens: no stream holds the subject."""


Answer = nats.aio.msg.Msg | nats.errors.TimeoutError
"""For `read`: what came, or that nothing came."""


class _Waiting(NamedTuple):
    answer: asyncio.Future[Answer]
    until: float
    """On the loop's clock."""


class _Said(msgspec.Struct):
    """What a stream answers."""

    stream: str = ""
    seq: int = 0
    duplicate: bool = False
    error: dict[str, int | str] = {}


_decode = msgspec.json.Decoder(_Said).decode


class _Ear(asyncio.Future[nats.aio.msg.Msg]):
    """What nats-py takes for the future of a request: it gives every message straight to it, without a queue and a task."""

    def __init__(self, hear: Callable[[nats.aio.msg.Msg], None]) -> None:
        super().__init__()
        self._hear = hear

    def set_result(self, result: nats.aio.msg.Msg) -> None:
        self._hear(result)


class Acks:
    """What has been sent to streams and waits for their word, `timeout` seconds each."""

    def __init__(self, client: nats.aio.client.Client, timeout: float) -> None:
        self._client = client
        self._timeout = timeout
        self._inbox = ""
        self._numbers = itertools.count()
        self._waiting: dict[str, _Waiting] = {}
        """In the order of their ends: all wait equally long."""
        self._timer: asyncio.TimerHandle | None = None

    async def send(self, subject: str, body: bytes, headers: dict[str, str]) -> asyncio.Future[Answer]:
        """Send, and return where the answer will be; it never fails, so nobody need fetch it."""
        if not self._inbox:
            await self._open()
        token = str(next(self._numbers))
        answer = self._wait(token)
        try:
            await self._put(subject, f"{self._inbox}.{token}", headers, body)
        except BaseException:
            del self._waiting[token]
            raise
        return answer

    async def _put(self, subject: str, reply: str, headers: dict[str, str], body: bytes) -> None:
        client = self._client
        if not client.is_connected or client.is_draining_pubs:
            await client.publish(subject, body, reply, headers)  # which knows what to do then
            return
        # the rest of nats-py's own publish, which takes half of its time to write the headers
        await client._send_command(wire(subject, reply, headers, body))  # noqa: SLF001
        flushing = client._flush_queue  # noqa: SLF001
        if flushing is not None and flushing.empty():
            await client._flush_pending()  # noqa: SLF001

    async def _open(self) -> None:
        inbox = self._client.new_inbox()
        await self._client.subscribe(f"{inbox}.*", future=_Ear(self._hear))
        self._inbox = inbox  # of two who come first at once the later counts, and both are heard

    def _wait(self, token: str) -> asyncio.Future[Answer]:
        loop = asyncio.get_running_loop()
        until = loop.time() + self._timeout
        answer: asyncio.Future[Answer] = loop.create_future()
        self._waiting[token] = _Waiting(answer, until)
        if self._timer is None:
            self._timer = loop.call_at(until, self._expire)
        return answer

    def _hear(self, message: nats.aio.msg.Msg) -> None:
        found = self._waiting.pop(message.subject.rpartition(".")[2], None)
        if found and not found.answer.done():
            found.answer.set_result(message)

    def _expire(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        for token, (answer, until) in list(self._waiting.items()):
            if until > loop.time():
                self._timer = loop.call_at(until, self._expire)
                return
            del self._waiting[token]
            if not answer.done():
                answer.set_result(nats.errors.TimeoutError())


def wire(subject: str, reply: str, headers: dict[str, str], body: bytes) -> bytes:
    """Return a message as NATS reads it; raises nats-py's errors for one that would be two.

    nats-py does the same with two regular expressions and a translation for each header.
    """
    head = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if head.count("\n") != len(headers) or head.count("\r") != len(headers):
        raise nats.errors.BadHeaderError(head)
    if subject.split() != [subject]:
        raise nats.errors.BadSubjectError
    data = f"NATS/1.0\r\n{head}\r\n".encode()
    line = f"HPUB {subject} {reply} {len(data)} {len(data) + len(body)}\r\n".encode()
    return b"".join((line, data, body, b"\r\n"))


def read(answer: Answer) -> Ack:
    """Return what a stream answered; raises as nats-py's own publish."""
    if isinstance(answer, nats.errors.TimeoutError):
        raise answer
    if answer.headers and answer.headers.get(api.Header.STATUS) == _NOBODY:
        raise nats.js.errors.NoStreamResponseError
    said = _decode(answer.data)
    if said.error:
        raise nats.js.errors.APIError.from_error(said.error)
    return Ack(said.stream, said.seq, said.duplicate)
