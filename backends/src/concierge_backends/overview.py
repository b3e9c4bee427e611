"""All that is said on the bus, heard by each forwarder for itself: who is there, and each service as one thing."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Protocol

from concierge_backends import aggregate, deliver, measures, port, roster
from concierge_proto import bus, errors, messages, settings, subjects

log = logging.getLogger(__name__)

_EVERY = 1.0
"""Seconds between two looks at a service of which nothing is heard: so that `heard` falls."""


class Listener(Protocol):
    """Who wants to know."""

    def heartbeat(self, heartbeat: messages.Heartbeat) -> None: ...

    def changed(self, service: str) -> None: ...


class Overview:
    """Folds snapshots and heartbeats. Losing some does no harm: the next ones replace them."""

    def __init__(
        self,
        link: bus.Bus,
        services: Mapping[str, settings.Service],
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._link = link
        self._clock = clock
        self._up = time.monotonic()
        self._services: dict[str, aggregate.Aggregator] = {}
        self.adopt(services)
        self.roster = roster.Roster()
        self.listeners: list[Listener] = []
        self.ready = asyncio.Event()
        """Set when what PRESENCE held was read: before that, silence means nothing."""

    def adopt(self, services: Mapping[str, settings.Service]) -> None:
        """Fold these services from now on; one that is folded in another way than before begins anew."""
        fresh = {
            name: aggregate.Aggregator(name, service.fresh, aggregate.wanted(service))
            for name, service in services.items()
        }
        for name in fresh.keys() & self._services.keys():
            if self._services[name].alike(fresh[name]):
                fresh[name] = self._services[name]
        self._services = fresh

    def aggregates(self, service: str) -> port.Aggregates | None:
        """Return a service as it is now; None for one that is no longer known."""
        found = self._services.get(service)
        return found.aggregates(self._clock()) if found else None

    def heartbeat(self, heartbeat: messages.Heartbeat) -> None:
        """Take in a heartbeat, and pass it on unless it is an old one."""
        self._heartbeat(heartbeat, self._clock(), time.monotonic())

    def note(self, snapshot: messages.Snapshot) -> None:
        """Take a snapshot as a sign of life: its values may be old, if it comes from the stream."""
        self.roster.snapshot(snapshot, time.monotonic())

    def snapshot(self, snapshot: messages.Snapshot) -> None:
        """Take in a snapshot."""
        self.note(snapshot)
        if found := self._services.get(snapshot.service):
            found.snapshot(snapshot, self._clock())
            self._changed(snapshot.service)

    def expect(self, instance: port.Instance) -> None:
        """Take note of one that should be there: its silence is judged like anybody's."""
        self.roster.expect(instance.service, instance.name, time.monotonic(), self._clock())

    def answered(self, entry: roster.Entry) -> None:
        """Take note that a silent one answered a ping."""
        entry.heard = time.monotonic()
        if found := self._services.get(entry.service):
            found.heard(entry.instance, self._clock())
            self._changed(entry.service)

    async def run(self) -> None:
        """Listen until cancelled."""
        snapshots = self._link.listening(f"{subjects.ROOT}.snapshot.*.*")
        heartbeats = self._link.listening(f"{subjects.ROOT}.heartbeat.*.*")
        async with snapshots as said, heartbeats as beaten:
            await self._replay()
            self.ready.set()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._listen(said, self._hear_snapshot))
                group.create_task(self._listen(beaten, self._hear_heartbeat))
                group.create_task(self._tick())

    async def _replay(self) -> None:
        """Read who was there before us."""
        while True:
            try:
                async for delivery in self._link.history("PRESENCE", f"{subjects.ROOT}.heartbeat.>"):
                    self._safely(self._hear_stored, delivery)
            except errors.Temporary as error:
                log.info("presence: %s", error)
                await asyncio.sleep(error.delay)
            else:
                return

    async def _listen(self, said: AsyncIterator[bus.Delivery], hear: Callable[[bus.Delivery], None]) -> None:
        async for delivery in said:
            self._safely(hear, delivery)

    def _safely(self, hear: Callable[[bus.Delivery], None], delivery: bus.Delivery) -> None:
        try:
            if not delivery.is_marker:
                hear(delivery)
        except errors.Malformed as error:
            measures.UNREAD.inc()
            log.debug("%s: %s", delivery.subject, error)

    def _hear_snapshot(self, delivery: bus.Delivery) -> None:
        self.snapshot(deliver.same(delivery.read(messages.Snapshot), subjects.parse(delivery.subject)))

    def _hear_heartbeat(self, delivery: bus.Delivery) -> None:
        self.heartbeat(deliver.same(delivery.read(messages.Heartbeat), subjects.parse(delivery.subject)))

    def _hear_stored(self, delivery: bus.Delivery) -> None:
        heartbeat = deliver.same(delivery.read(messages.Heartbeat), subjects.parse(delivery.subject))
        age = max(0.0, self._clock() / aggregate.NANOSECONDS - delivery.stored_at.timestamp())
        at_ns = self._clock() - int(age * aggregate.NANOSECONDS)
        self._heartbeat(heartbeat, at_ns, time.monotonic() - age)

    def _heartbeat(self, heartbeat: messages.Heartbeat, at_ns: int, at: float) -> None:
        news = self.roster.heartbeat(heartbeat, at)
        if found := self._services.get(heartbeat.service):
            found.heartbeat(heartbeat, at_ns)
            self._changed(heartbeat.service)
        if news:
            for listener in self.listeners:
                listener.heartbeat(heartbeat)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_EVERY)
            now = time.monotonic()
            if not self._link.connected:
                continue
            if self._link.connected_since > self._up:
                self._forgive(now - self._up)
            self._up = now
            for service in self._services:
                self._changed(service)

    def _forgive(self, away: float) -> None:
        for service in self._services.values():
            service.shift(int(away * aggregate.NANOSECONDS))

    def _changed(self, service: str) -> None:
        if not self.ready.is_set():
            return
        for listener in self.listeners:
            listener.changed(service)
