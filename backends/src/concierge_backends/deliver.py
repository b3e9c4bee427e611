"""From the stream to one backend: snapshots and discoveries, acknowledged when the backend has answered."""

import contextlib
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from concierge_backends import measures, port
from concierge_proto import bus, errors, messages, subjects

log = logging.getLogger(__name__)

_ACK_WAIT = 10.0
"""Seconds after which what a dead forwarder held goes to another one."""

Heard = Callable[[messages.Snapshot], None]
T = TypeVar("T", messages.Snapshot, messages.Discovery, messages.Heartbeat)


class Deliverer:
    """One backend's own consumer: whatever happens to it delays no other."""

    def __init__(self, link: bus.Bus, backend: port.Backend, *, primary: bool, heard: Heard) -> None:
        self._link = link
        self._backend = backend
        self._primary = primary
        self._heard = heard
        self.worker = bus.Worker(
            link,
            self.handle,
            stream="TELEMETRY",
            durable=f"forward-{backend.name}",
            subjects=(f"{subjects.ROOT}.snapshot.>", f"{subjects.ROOT}.discovery.>"),
            ack_wait=_ACK_WAIT,
        )

    async def handle(self, delivery: bus.Delivery) -> None:
        """Deliver; Temporary lets it come again, Permanent buries it."""
        measures.LAG.labels(self._backend.name).set(delivery.pending)
        measures.AGE.labels(self._backend.name).set(
            (datetime.now(UTC) - delivery.stored_at).total_seconds(),
        )
        address = subjects.parse(delivery.subject)
        if address.kind == "discovery":
            await self._backend.discovery(same(delivery.read(messages.Discovery), address))
        else:
            await self._snapshot(same(delivery.read(messages.Snapshot), address), delivery.envelope.id)

    async def _snapshot(self, snapshot: messages.Snapshot, cause: str) -> None:
        self._heard(snapshot)
        started = time.perf_counter()
        try:
            delivered = await self._backend.snapshot(snapshot)
        except errors.Permanent as error:
            await self._receipt(
                snapshot, port.Delivered(0, snapshot.total, snapshot.total, str(error)), started, cause
            )
            raise
        await self._receipt(snapshot, delivered, started, cause)

    async def _receipt(
        self,
        snapshot: messages.Snapshot,
        delivered: port.Delivered,
        started: float,
        cause: str,
    ) -> None:
        """Tell the courier; a receipt that is lost is not worth a second delivery."""
        receipt = messages.Receipt(
            service=snapshot.service,
            instance=snapshot.instance,
            snapshot_id=snapshot.id,
            backend=self._backend.name,
            primary=self._primary,
            processed=delivered.processed,
            failed=delivered.failed,
            total=delivered.total,
            elapsed_ms=round((time.perf_counter() - started) * 1000),
            detail=delivered.detail,
            parked=delivered.parked,
            undiscovered=delivered.undiscovered,
            refused=delivered.refused,
        )
        subject = subjects.receipt(snapshot.service, snapshot.instance)
        with contextlib.suppress(errors.Temporary):
            await self._link.tell(self._link.pack(subject, receipt, causation_id=cause))


def same(message: T, address: subjects.Address) -> T:
    """Return the message if it is about whom its subject names; else raise Malformed."""
    if (message.service, message.instance) != (address.service, address.detail):
        raise errors.Malformed(
            f"a {address.kind} of {message.service}/{message.instance} "
            f"came on the subject of {address.service}/{address.detail}",
        )
    return message
