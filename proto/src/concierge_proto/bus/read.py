"""Reading a stream from a point in time: the log, an incident, the live view."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Any, NamedTuple

import nats.errors
import nats.js.client
import nats.js.errors
from nats.js import api

from concierge_proto.bus import failures, worker

_IDLE = 30.0
"""Seconds after which the server forgets a reader that went away."""
_BATCH = 256


class Start(NamedTuple):
    """Where a reader begins."""

    since: datetime | None = None
    new: bool = False
    latest: bool = False

    def policy(self) -> dict[str, Any]:
        """Return it in the server's words."""
        if self.since is not None:
            return {"deliver_policy": api.DeliverPolicy.BY_START_TIME, "opt_start_time": self.since}
        if self.latest:
            return {"deliver_policy": api.DeliverPolicy.LAST_PER_SUBJECT}
        return {"deliver_policy": api.DeliverPolicy.NEW if self.new else api.DeliverPolicy.ALL}


async def history(
    js: nats.js.client.JetStreamContext, stream: str, subject: str, begin: Start, *, follow: bool
) -> AsyncGenerator[worker.Delivery, None]:
    """See `Bus.history`."""
    start = begin.policy()
    while True:
        try:
            async for delivery in _read(js, stream, subject, start, follow=follow):
                yield delivery
                start = {
                    "deliver_policy": api.DeliverPolicy.BY_START_SEQUENCE,
                    "opt_start_seq": delivery.sequence + 1,
                }
        except (nats.errors.Error, nats.js.errors.Error, OSError, TimeoutError):
            if not follow:
                with failures.translated(f"read stream {stream}"):
                    raise
            await asyncio.sleep(0.5)
        else:
            return


async def _read(
    js: nats.js.client.JetStreamContext,
    stream: str,
    subject: str,
    start: dict[str, Any],
    *,
    follow: bool,
) -> AsyncGenerator[worker.Delivery, None]:
    info = await js.add_consumer(
        stream,
        api.ConsumerConfig(
            filter_subject=subject,
            ack_policy=api.AckPolicy.NONE,
            inactive_threshold=_IDLE,
            mem_storage=True,
            **start,
        ),
    )
    waiting = info.num_pending or 0
    subscription = await js.pull_subscribe_bind(info.name, stream)
    try:
        while follow or waiting:
            with failures.cancellable():
                found = await worker.fetch(subscription, _BATCH, waiting)
            for delivery in found:
                waiting = delivery.pending
                yield delivery
            if follow and not waiting:
                with failures.cancellable():
                    await js.consumer_info(stream, info.name)
    finally:
        with contextlib.suppress(nats.errors.Error, TimeoutError):
            await subscription.unsubscribe()
