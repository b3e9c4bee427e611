"""Taking work from a stream: fetch, keep alive, then acknowledge, put back, or bury."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

import nats.aio.msg
import nats.errors
import nats.js.client
import nats.js.errors
from nats.js import api

from concierge_proto import codec, envelope, errors, identity, messages, subjects
from concierge_proto.bus import failures

if TYPE_CHECKING:
    from concierge_proto.bus.connect import Bus

log = logging.getLogger(__name__)
T = TypeVar("T")

_FETCH = 4.0
"""Seconds of one fetch: a longer one delays recovery after a restart of NATS."""
_TRIES = 5
"""Deliveries after which an unexpected error buries a message."""


class Delivery:
    """One message as it came."""

    def __init__(self, message: nats.aio.msg.Msg) -> None:
        self._message = message

    @property
    def subject(self) -> str:
        return self._message.subject

    @property
    def body(self) -> bytes:
        return self._message.data

    @property
    def headers(self) -> dict[str, str]:
        return dict(self._message.headers or {})

    @property
    def envelope(self) -> envelope.Envelope:
        """Raises Malformed."""
        return envelope.read(self._message.headers)

    @property
    def sequence(self) -> int:
        return self._message.metadata.sequence.stream

    @property
    def deliveries(self) -> int:
        """1 for the first."""
        return self._message.metadata.num_delivered or 1

    @property
    def pending(self) -> int:
        """How many wait behind this one."""
        return self._message.metadata.num_pending or 0

    @property
    def stored_at(self) -> datetime:
        return self._message.metadata.timestamp

    @property
    def is_marker(self) -> bool:
        """True for the server's own note that a value expired."""
        return "Nats-Marker-Reason" in (self._message.headers or {})

    def read(self, kind: type[T]) -> T:
        """Return the message; raises Malformed."""
        return codec.decode(kind, self.body, self.envelope.encoding)

    async def acknowledge(self) -> None:
        await self._message.ack()

    async def put_back(self, delay: float) -> None:
        """Let it come again, not before `delay` seconds."""
        await self._message.nak(delay=delay)

    async def keep(self) -> None:
        """Say that it is still being worked on."""
        await self._message.in_progress()

    async def terminate(self) -> None:
        """Take it off for good."""
        await self._message.term()


Handle = Callable[[Delivery], Awaitable[None]]


class Worker:
    """Hands the messages of a durable consumer to `handle`, one at a time per lane.

    `handle` returns: acknowledged. It raises Temporary: put back, with its delay. It raises Permanent:
    buried in the dead letters with the body kept. Anything else: put back, and buried after five tries.
    Messages of one subject stay in order as long as none is put back.
    """

    def __init__(  # noqa: PLR0913 - the facts of a consumer
        self,
        bus: "Bus",
        handle: Handle,
        *,
        stream: str,
        durable: str,
        subjects: tuple[str, ...],
        lanes: int = 4,
        batch: int = 32,
        ack_wait: float = 30.0,
        new: bool = False,
    ) -> None:
        self._bus = bus
        self._handle = handle
        self._stream = stream
        self._ack_wait = ack_wait
        self._batch = batch
        self._config = api.ConsumerConfig(
            durable_name=durable,
            filter_subjects=list(subjects),
            deliver_policy=api.DeliverPolicy.NEW if new else api.DeliverPolicy.ALL,
            ack_wait=ack_wait,
            max_ack_pending=max(4 * batch, 64),
        )
        self._lanes: list[asyncio.Queue[Delivery]] = [asyncio.Queue(batch) for _ in range(lanes)]
        self._held: set[Delivery] = set()
        self.handled = 0
        self.buried = 0

    async def run(self) -> None:
        """Work until cancelled; what is half done is finished first, for at most `ack_wait` seconds."""
        async with asyncio.TaskGroup() as group:
            background = [group.create_task(self._keep_alive())]
            background += [group.create_task(self._drain(lane)) for lane in self._lanes]
            try:
                await self._fetch_forever()
            finally:
                await self._finish()
                for task in background:
                    task.cancel()

    async def _finish(self) -> None:
        with contextlib.suppress(TimeoutError, errors.Temporary):
            async with asyncio.timeout(self._ack_wait):
                for lane in self._lanes:
                    await lane.join()
                await self._bus.flush()

    async def _fetch_forever(self) -> None:
        while True:
            try:
                await self._fetch_from(await self._subscribe())
            except (nats.errors.Error, nats.js.errors.Error, OSError, TimeoutError) as error:
                log.info("%s: waiting for the bus: %s", self._config.durable_name, error)
                await asyncio.sleep(0.5)

    async def _subscribe(self) -> nats.js.client.JetStreamContext.PullSubscription:
        js = self._bus._js  # noqa: SLF001 - one package
        with failures.cancellable():
            await js.add_consumer(self._stream, self._config)
            return await js.pull_subscribe_bind(self._config.durable_name, self._stream)

    async def _fetch_from(self, subscription: nats.js.client.JetStreamContext.PullSubscription) -> None:
        try:
            while True:
                with failures.cancellable():
                    found = await fetch(subscription, self._batch)
                    if not found:
                        await subscription.consumer_info()
                for delivery in found:
                    self._held.add(delivery)
                    await self._lanes[hash(delivery.subject) % len(self._lanes)].put(delivery)
        finally:
            with contextlib.suppress(nats.errors.Error, TimeoutError):
                await subscription.unsubscribe()

    async def _drain(self, lane: asyncio.Queue[Delivery]) -> None:
        while True:
            delivery = await lane.get()
            try:
                await self._settle(delivery)
            except (nats.errors.Error, errors.Temporary, OSError, TimeoutError) as error:
                log.info("%s: not acknowledged, it will come again: %s", delivery.subject, error)
            finally:
                self._held.discard(delivery)
                lane.task_done()

    async def _settle(self, delivery: Delivery) -> None:
        try:
            await self._handle(delivery)
        except errors.Temporary as error:
            await delivery.put_back(error.delay)
        except errors.Permanent as error:
            await self._bury(delivery, str(error))
        except Exception as error:
            log.exception("%s: unexpected, delivery %d", delivery.subject, delivery.deliveries)
            if delivery.deliveries >= _TRIES:
                await self._bury(delivery, f"{type(error).__name__}: {error}")
            else:
                await delivery.put_back(float(2**delivery.deliveries))
        else:
            await delivery.acknowledge()
            self.handled += 1

    async def _bury(self, delivery: Delivery, reason: str) -> None:
        """Store the dead letter, then take the message off: never the other way round."""
        log.error("%s: buried: %s", delivery.subject, reason)
        letter = messages.DeadLetter(
            id=identity.derive(self._stream, str(delivery.sequence), str(self._config.durable_name)),
            subject=delivery.subject,
            reason=reason,
            body=delivery.body,
            headers=delivery.headers,
            deliveries=delivery.deliveries,
            consumer=str(self._config.durable_name),
            at=datetime.now(UTC),
        )
        subject = subjects.event(_service(delivery.subject), "deadletter")
        await self._bus.publish(self._bus.pack(subject, letter, id=letter.id))
        await delivery.terminate()
        self.buried += 1

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(self._ack_wait / 3)
            for delivery in list(self._held):
                with contextlib.suppress(nats.errors.Error, OSError):
                    await delivery.keep()


async def fetch(
    subscription: nats.js.client.JetStreamContext.PullSubscription,
    batch: int,
    waiting: int = 0,
) -> list[Delivery]:
    """Return the next messages at once when there are any, [] after a quiet time.

    One request for one message, then one for those known to wait behind it: nats-py's own batch holds
    the first message back until the batch is full or the time is over.
    """
    try:
        first = await subscription.fetch(min(batch, waiting) or 1, timeout=_FETCH)
    except nats.errors.TimeoutError:
        return []
    more = min(batch - len(first), first[-1].metadata.num_pending or 0)
    if more > 0:
        with contextlib.suppress(nats.errors.TimeoutError):
            first += await subscription.fetch(more, timeout=0.2)
    return [Delivery(message) for message in first]


def _service(subject: str) -> str:
    try:
        return subjects.name(subjects.parse(subject).service)
    except errors.Malformed:
        return subjects.NOBODY
