"""Keeps one target: holds its lease, takes its commands in, and has an attendant for each service.

endpoint found ──▶ standby ──lease taken──▶ attending ──lease lost──▶ standby
"""

import asyncio
import functools
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import NoReturn

from concierge_proto import bus, errors, identity, messages, settings, subjects
from concierge_scheduler import metrics, survey, turn
from concierge_scheduler.attendant import Attendant
from concierge_scheduler.converge import Place
from concierge_scheduler.finder import Finder
from concierge_scheduler.ledger import Ledger
from concierge_scheduler.presence import Presence
from concierge_scheduler.targets import port
from concierge_scheduler.targets.found import Labelled

log = logging.getLogger(__name__)

WATCH = 30.0
"""Seconds between two listings that look for drift and dead instances."""
PREFLIGHT = 600.0
"""Seconds between two rounds that ask what would stop the services from having `max` instances."""
_CLOSELY, _LOOKS = 1.0, 5
"""Seconds between the looks after an instance said that it stops, for it says so before it is gone."""
_ACK_WAIT = 5.0
"""Seconds; a command waits so long for a new holder when the old one was killed with it in hand."""
_ABROAD = re.compile(r"[^A-Za-z0-9_=./-]")


class _Lost(Exception):
    """The lease is gone: stop everything."""


def utc() -> datetime:
    return datetime.now(UTC)


class Keeper:
    """The one that acts on a target, or stands by to."""

    def __init__(  # noqa: PLR0913 - the last but `finder` are for tests
        self,
        name: str,
        services: Mapping[str, settings.Service],
        link: bus.Bus,
        presence: Presence,
        *,
        now: Callable[[], datetime] = utc,
        watch: float = WATCH,
        finder: Finder | None = None,
    ) -> None:
        self._name = name
        self._own = {service: policy for service, policy in services.items() if policy.target == name}
        self._services = self._own
        self._finder = finder
        self._link = link
        self._presence = presence
        self._now = now
        self._watch_every = watch
        self._attendants: dict[str, Attendant] = {}
        self._look_soon = asyncio.Event()
        self._closely = 0
        self.attending = asyncio.Event()
        """Set while every service has its attendant."""
        self.attended = False
        """True once that was so: what runs there is ours to end."""

    async def run(
        self, target: port.Target, endpoint: str, end: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """Hold the endpoint's lease whenever it can be had, and attend to the services; until cancelled.

        `end`: what is still to be done at the end, where these services were attended to. The lease is given back
        after that: whoever stands by would start again what is just ending.
        """
        owner = f"{self._name} {self._link.who} {identity.mint()}"
        lease = bus.Lease(self._link.store("concierge_leases"), lease_key(endpoint), owner)
        async with asyncio.TaskGroup() as group:
            holding = group.create_task(lease.run())
            try:
                await self._attend_forever(target, lease)
            except asyncio.CancelledError:
                # the end, unless the lease's task failed: that is tried again, and nothing ends
                if end and self.attended and not holding.done():
                    await end()
                raise

    async def _attend_forever(self, target: port.Target, lease: bus.Lease) -> NoReturn:
        while True:
            await lease.taken()
            try:
                await self._attend_while_held(target, lease)
            except* _Lost:
                log.warning("target %s: the lease is lost", self._name)
            except* errors.ConciergeError as group:
                log.warning("target %s: %s", self._name, group.exceptions[0])
                await asyncio.sleep(1)

    async def _attend_while_held(self, target: port.Target, lease: bus.Lease) -> None:
        metrics.HOLDING.labels(self._name).set(1)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_until_lost(lease))
                group.create_task(self._attend(target, lease))
        finally:
            self.attending.clear()
            metrics.HOLDING.labels(self._name).set(0)

    async def _attend(self, target: port.Target, lease: bus.Lease) -> None:
        place = Place(target, survey.Survey(target), self._presence, lease, self._now)
        await self._presence.loaded.wait()
        if self._finder:
            self._services = {**self._own, **await self._finder.recall()}
        await self._engage(place)
        await self._look(place)
        await self._tell(lease)
        worker = bus.Worker(
            self._link,
            self._take,
            stream="COMMANDS",
            durable=f"scheduler-{self._name}",
            subjects=(f"{subjects.ROOT}.command.{self._name}.*",),
            lanes=1,
            ack_wait=_ACK_WAIT,
        )
        async with asyncio.TaskGroup() as group:
            for service, attendant in self._attendants.items():
                group.create_task(self._tend(service, attendant))
            group.create_task(worker.run())
            group.create_task(self._watch(place))
            group.create_task(self._foresee())
            if self._finder and isinstance(target, Labelled):
                hiring = functools.partial(self._adopt, group, place)
                group.create_task(self._finder.run(target, lease, hiring))
            self.attended = True
            self.attending.set()

    async def _engage(self, place: Place) -> None:
        """Read every service's document, and find it an attendant."""
        self._attendants = await self._hired(place, self._services)
        self._point(place.target)

    async def _hired(self, place: Place, policies: Mapping[str, settings.Service]) -> dict[str, Attendant]:
        ledgers = {service: Ledger(self._link, service, place.lease) for service in policies}
        await asyncio.gather(*(ledger.open() for ledger in ledgers.values()))
        return {service: Attendant(place, policies[service], ledger) for service, ledger in ledgers.items()}

    async def _tend(self, service: str, attendant: Attendant) -> None:
        await attendant.run()
        del self._attendants[service]

    async def _adopt(
        self, group: asyncio.TaskGroup, place: Place, found: Mapping[str, settings.Service]
    ) -> None:
        """Look after the services that labels bring now: new ones, other policies, and those that are gone."""
        self._services = {**self._own, **found}
        for service, attendant in self._attendants.items():
            if service in self._services:
                attendant.follow(self._services[service])
            elif not attendant.leaving:
                attendant.leave()
        fresh = {service: one for service, one in self._services.items() if service not in self._attendants}
        if not fresh:
            return
        hired = await self._hired(place, fresh)
        self._attendants.update(hired)
        self._point(place.target)
        await self._look(place)
        for service, attendant in hired.items():
            group.create_task(self._tend(service, attendant))
            group.create_task(self._foresee_one(attendant))

    def _point(self, target: port.Target) -> None:
        """Tell the target whom to read; one that leaves is read until it has."""
        if self._finder and isinstance(target, Labelled):
            target.attend({service: one.called for service, one in self._attendants.items()})

    async def _take(self, delivery: bus.Delivery) -> None:
        """Acknowledged, on return, because it is stored."""
        command = delivery.read(messages.Command)
        where = subjects.parse(delivery.subject)
        if (command.target, command.service) != (where.detail, where.service):
            raise errors.Malformed(
                f"the command is for {command.service} on {command.target}, and came on {delivery.subject}",
            )
        attendant = self._attendants.get(command.service)
        if attendant and not attendant.leaving:
            await attendant.take(command)
        else:
            await self._refuse(command)

    async def _refuse(self, command: messages.Command) -> None:
        why = self._finder.why_not(command.service) if self._finder else ""
        decision = turn.unknown(command, self._now(), why)
        message = self._link.pack(
            subjects.event(command.service, "decision"),
            decision,
            id=decision.id,
            correlation_id=command.correlation_id,
            causation_id=command.id,
        )
        await self._link.publish(message)
        metrics.count(decision)

    async def _foresee(self) -> NoReturn:
        """One service after the other: nobody waits for it."""
        while True:
            for attendant in list(self._attendants.values()):
                await self._foresee_one(attendant)
            await asyncio.sleep(PREFLIGHT)

    async def _foresee_one(self, attendant: Attendant) -> None:
        try:
            await attendant.preflight()
        except errors.ConciergeError as error:
            log.info("target %s: no preflight: %s", self._name, error)
        except Exception:
            log.exception("target %s: unexpected, no preflight", self._name)

    async def _watch(self, place: Place) -> None:
        """List the target now and then, and at once when an instance says that it stops."""
        self._presence.listeners.append(self._hear_stop)
        try:
            while True:
                self._look_soon.clear()
                pause = min(_CLOSELY, self._watch_every) if self._closely else self._watch_every
                try:
                    async with asyncio.timeout(pause):
                        await self._look_soon.wait()
                except TimeoutError:
                    pass
                self._closely = max(0, self._closely - 1)
                await self._look(place)
                for attendant in self._attendants.values():
                    attendant.wake()
        finally:
            self._presence.listeners.remove(self._hear_stop)

    async def _look(self, place: Place) -> None:
        try:
            await place.survey.read()
        except errors.ConciergeError as error:
            log.warning("target %s: %s", self._name, error)
        except Exception:
            log.exception("target %s: unexpected, looking again later", self._name)

    def _hear_stop(self, service: str) -> None:
        if service in self._services:
            self._closely = _LOOKS
            self._look_soon.set()

    async def _tell(self, lease: bus.Lease) -> None:
        """Put the change of holder on record."""
        control = messages.Control(
            service=subjects.NOBODY,
            what="lease_taken",
            detail=f"target {self._name}, {lease.key}, revision {lease.revision}",
            owner=self._link.who,
            at=self._now(),
        )
        await self._link.publish(self._link.pack(subjects.event(subjects.NOBODY, "control"), control))


def lease_key(endpoint: str) -> str:
    """Return the key of an endpoint's lease, in the letters that a bucket takes."""
    return _ABROAD.sub("-", endpoint)


async def _until_lost(lease: bus.Lease) -> NoReturn:
    await lease.lost()
    raise _Lost
