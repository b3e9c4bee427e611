"""One connection to NATS that never gives up, and what can be done with it."""

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec
import nats
import nats.aio.client
import nats.aio.msg
import nats.errors

from concierge_proto import codec, errors, settings
from concierge_proto.bus import access, acks, failures, kv, read, worker
from concierge_proto.bus.publish import Ack, Message, pack

log = logging.getLogger(__name__)

_ACK_TIMEOUT = 2.0
"""Seconds until an unanswered publish is sent again, with the same id."""


class Bus:
    """The bus, as every service sees it.

    Every method raises `errors.Temporary` when NATS is away and `errors.Permanent` when it refuses.
    """

    def __init__(self, client: nats.aio.client.Client, who: str) -> None:
        self._client = client
        self._js = client.jetstream(timeout=_ACK_TIMEOUT)
        self._acks = acks.Acks(client, _ACK_TIMEOUT)
        self.who = who
        """`/gateway`, …: the `ce-source` of what is sent here."""
        self.connected_since = time.monotonic()
        """Monotonic seconds of the last connect."""
        self.complaint = ""
        """What the server last refused: the only place where a denied publish shows."""

    @property
    def connected(self) -> bool:
        return self._client.is_connected

    @property
    def max_payload(self) -> int:
        return self._client.max_payload

    def pack(self, subject: str, content: msgspec.Struct, **envelope: Any) -> Message:
        """Return a message from here; see `bus.publish.pack` for the envelope's attributes."""
        return pack(subject, content, source=self.who, **envelope)

    async def publish(self, message: Message, patience: float = 5.0) -> Ack:
        """Store a message; a lost answer is asked for again with the same id, for `patience` seconds."""
        return (await self.publish_all([message], patience))[0]

    async def publish_all(self, messages: Sequence[Message], patience: float = 5.0) -> list[Ack]:
        """Store messages as `publish` does one: all are sent, in their order, before the first answer has come.

        Raises the first error; any of the others may be stored.
        """
        for message in messages:
            codec.check_size(message.body, self.max_payload)
        until = time.monotonic() + patience
        while True:
            try:
                return await self._publish_once(messages)
            except errors.Temporary as error:
                if time.monotonic() + error.delay > until:
                    raise
                await asyncio.sleep(min(error.delay, 0.2))

    async def _publish_once(self, messages: Sequence[Message]) -> list[Ack]:
        if not self.connected:
            raise errors.Temporary(f"publish {messages[0].subject}: not connected to NATS", 0.2)
        answers = [await self._send(message) for message in messages]
        return [
            await self._stored(message, answer) for message, answer in zip(messages, answers, strict=True)
        ]

    async def _send(self, message: Message) -> asyncio.Future[acks.Answer]:
        with failures.Told(f"publish {message.subject}", self.complaint):
            return await self._acks.send(message.subject, message.body, message.headers)

    async def _stored(self, message: Message, answer: asyncio.Future[acks.Answer]) -> Ack:
        with failures.Told(f"publish {message.subject}", self.complaint):
            return acks.read(await answer)

    async def tell(self, message: Message) -> None:
        """Send once, unacknowledged: for what the next one replaces."""
        codec.check_size(message.body, self.max_payload)
        with failures.Told(f"send {message.subject}", self.complaint):
            await self._client.publish(message.subject, message.body, headers=dict(message.headers))

    async def ask(self, subject: str, timeout: float = 1.0) -> bytes:
        """Return the answer to an empty request; Temporary when nobody answers."""
        with failures.translated(f"ask {subject}"):
            return (await self._client.request(subject, b"", timeout=timeout)).data

    @contextlib.asynccontextmanager
    async def answering(self, subject: str, answer: Callable[[], bytes]) -> AsyncIterator[None]:
        """Answer requests on `subject` for as long as the context is open."""

        async def reply(message: nats.aio.msg.Msg) -> None:
            await message.respond(answer())

        subscription = await self._client.subscribe(subject, cb=reply)
        try:
            yield
        finally:
            with contextlib.suppress(nats.errors.Error):
                await subscription.unsubscribe()

    @contextlib.asynccontextmanager
    async def listening(self, subject: str) -> AsyncIterator[AsyncIterator[worker.Delivery]]:
        """Hear what is said on `subject` from now on, unacknowledged; at most 1,024 wait."""
        heard: asyncio.Queue[nats.aio.msg.Msg] = asyncio.Queue(
            1
        )  # nats-py's own iterator makes a task for each
        subscription = await self._client.subscribe(subject, cb=heard.put, pending_msgs_limit=1024)
        try:
            yield _deliveries(heard)
        finally:
            with contextlib.suppress(nats.errors.Error):
                await subscription.unsubscribe()

    def history(
        self,
        stream: str,
        subject: str,
        *,
        since: datetime | None = None,
        new: bool = False,
        latest: bool = False,
        follow: bool = False,
    ) -> AsyncGenerator[worker.Delivery, None]:
        """Yield what a stream holds, oldest first; with `follow` for ever, over any restart of NATS.

        `since`: not what is older; `new`: nothing that is stored already; `latest`: only the last of
        each subject; none of them: everything.
        """
        start = read.Start(since=since, new=new, latest=latest)
        return read.history(self._js, stream, subject, start, follow=follow)

    def store(self, bucket: str) -> kv.Store:
        """Return a key-value bucket that `provision` made."""
        return kv.Store(self._js, self._acks, bucket, lambda: self.max_payload)

    async def flush(self) -> None:
        """Return when all that was told has reached the server."""
        if not self.connected:  # nats-py would return as if all were well
            raise errors.Temporary("flush: not connected to NATS")
        with failures.translated("flush"):
            await self._client.flush(timeout=2)


async def _deliveries(heard: asyncio.Queue[nats.aio.msg.Msg]) -> AsyncIterator[worker.Delivery]:
    while True:
        yield worker.Delivery(await heard.get())


@contextlib.asynccontextmanager
async def connect(where: settings.Nats, who: str) -> AsyncIterator[Bus]:
    """Connect, wait for NATS as long as it takes, reconnect for ever; closed with the context.

    Raises Permanent with the setting that can't be.

    Args:
        where: `[nats]`; its `url` must be set.
        who: The name of the service, e.g. `gateway`; with a courier also the instance.
    """
    bus: Bus | None = None

    async def complain(error: Exception) -> None:
        text = str(error) or type(error).__name__
        if isinstance(error, socket.gaierror):  # it does not say whose
            text = f"{access.shown(where.url)}: {error.strerror}"
        if bus is not None and "permissions violation" in text.lower():
            bus.complaint = text
        log.warning("nats: %s", text)

    async def back() -> None:
        if bus is not None:
            bus.connected_since = time.monotonic()
        log.info("nats: connected again")

    addresses, options = access.servers(where.url), access.options(where)
    client = await nats.connect(
        servers=addresses,
        name=f"concierge {who}",
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.5,
        connect_timeout=2,
        ping_interval=10,
        error_cb=complain,
        reconnected_cb=back,
        **options,
    )
    bus = Bus(client, f"/{who}")
    try:
        yield bus
    finally:
        with contextlib.suppress(nats.errors.Error, TimeoutError, OSError):
            async with asyncio.timeout(2):
                await client.close()
