"""Who was heard: every instance's last heartbeat, from the stream at start and from the wire after that."""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime

from concierge_proto import bus, errors, messages, subjects
from concierge_scheduler.targets import port

log = logging.getLogger(__name__)

_ALL = f"{subjects.ROOT}.heartbeat.>"
_KEEP = 3600.0
"""Seconds after which a silent instance is forgotten."""


class Presence:
    """Service to instance to when it was heard, in seconds of a clock that only goes on."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._heard: dict[str, dict[str, float]] = {}
        self.listeners: list[Callable[[str], None]] = []
        """Called with the service when one of its instances says that it stops."""
        self.loaded = asyncio.Event()

    async def run(self, link: bus.Bus) -> None:
        """Listen until cancelled."""
        while True:
            try:
                async with link.listening(_ALL) as beats:
                    async for delivery in link.history("PRESENCE", _ALL):
                        self._take(delivery, (datetime.now(UTC) - delivery.stored_at).total_seconds())
                    self.loaded.set()
                    async for delivery in beats:
                        self._take(delivery)
            except errors.ConciergeError as error:
                log.info("presence: %s", error)
            await asyncio.sleep(1)

    def hear(self, beat: messages.Heartbeat, age: float = 0.0) -> None:
        """Note one heartbeat, `age` seconds old."""
        service = self._heard.setdefault(beat.service, {})
        if beat.state:
            service[beat.instance] = max(service.get(beat.instance, float("-inf")), self._clock() - age)
            return
        if service.pop(beat.instance, None) is not None:
            for listener in self.listeners:
                listener(beat.service)

    def count(self, observed: port.Observed, within: float) -> int:
        """Return how many of these running instances were heard in the last `within` seconds.

        Where the endpoint does not know what their couriers are called, any instance of the service counts.
        """
        fresh = self._fresh(observed.service, within)
        running = [one for one in observed.instances if one.running]
        if not all(one.hostname for one in running):
            return min(len(fresh), len(running))
        return sum(1 for one in running if subjects.instance_of(one.hostname) in fresh)

    def silent(self, observed: port.Observed, within: float) -> tuple[str, ...]:
        """Return the running instances that were not heard in the last `within` seconds, where their couriers' names are known."""
        fresh = self._fresh(observed.service, within)
        running = [one for one in observed.instances if one.running and one.hostname]
        return tuple(one.name for one in running if subjects.instance_of(one.hostname) not in fresh)

    def _fresh(self, service: str, within: float) -> set[str]:
        now = self._clock()
        known = {name: at for name, at in self._heard.get(service, {}).items() if now - at < _KEEP}
        self._heard[service] = known
        return {name for name, at in known.items() if now - at <= within}

    def _take(self, delivery: bus.Delivery, age: float = 0.0) -> None:
        if delivery.is_marker or not delivery.body:
            return
        try:
            self.hear(delivery.read(messages.Heartbeat), age)
        except errors.Malformed as error:
            log.debug("presence: %s: %s", delivery.subject, error)
