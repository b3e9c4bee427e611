"""Who fell silent: a hint, then a ping, and only then a fact."""

import asyncio
import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from concierge_backends import measures, overview, roster
from concierge_proto import bus, codec, errors, identity, messages, settings, subjects

log = logging.getLogger(__name__)

_EVERY = 1.0
_AT_ONCE = 100
"""Pings of one round; the others wait for the next."""
_FRESH = 30.0
"""Seconds, for services that the configuration does not know."""


class Watch:
    """Looks for silence once a second.

    An instance vanished when it said nothing for its service's whole `fresh` while the bus was up,
    and does not answer a ping while the bus answers us.
    """

    def __init__(
        self,
        link: bus.Bus,
        seen: overview.Overview,
        services: Mapping[str, settings.Service],
    ) -> None:
        self._link = link
        self._seen = seen
        self._services = services

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await asyncio.sleep(_EVERY)
            if not self._link.connected:
                continue
            try:
                await self.look(time.monotonic())
            except errors.Temporary as error:
                log.info("presence: %s", error)

    async def look(self, now: float) -> None:
        """Judge everybody who is silent now."""
        known = self._seen.roster
        known.forget(now)
        silent = [
            entry
            for service in known.services()
            for entry in known.silent(now, self._link.connected_since, self._fresh(service), service)
        ]
        if silent:
            await self._link.flush()
            await asyncio.gather(*(self._judge(entry) for entry in silent[:_AT_ONCE]))

    def _fresh(self, service: str) -> float:
        known = self._services.get(service)
        return float(known.fresh) if known else _FRESH

    async def _judge(self, entry: roster.Entry) -> None:
        before = entry.heard
        if await self._alive(entry):
            self._seen.answered(entry)
            return
        try:
            await self._link.flush()
            if entry.heard == before:
                await self._vanished(entry)
        except errors.Temporary as error:
            log.info("%s: silent, and the bus is too: %s", entry.key, error)

    async def _alive(self, entry: roster.Entry) -> bool:
        try:
            answer = await self._link.ask(subjects.ping(entry.service, entry.instance))
            return codec.decode(messages.Ping, answer).state == 1
        except (errors.Temporary, errors.Malformed):
            return False

    async def _vanished(self, entry: roster.Entry) -> None:
        """Store the fact, once however many forwarders notice; then tell it."""
        now = datetime.now(UTC)
        change = messages.InstanceChange(
            service=entry.service,
            instance=entry.instance,
            change="vanished",
            boot=entry.boot,
            reason="silent, and no answer to a ping",
            at=now,
        )
        said = str(entry.heartbeat.time_ns) if entry.heartbeat else str(entry.said_ns)
        message = self._link.pack(
            subjects.event(entry.service, "instance"),
            change,
            id=identity.derive("vanished", entry.key, entry.boot, said),
        )
        await self._link.publish(message)
        log.warning("%s vanished", entry.key)
        measures.VANISHED.inc()
        self._seen.heartbeat(
            messages.Heartbeat(
                service=entry.service,
                instance=entry.instance,
                time_ns=entry.clock_ns(time.monotonic()),
                boot=entry.boot,
                state=0,
                reason="vanished",
            ),
        )
