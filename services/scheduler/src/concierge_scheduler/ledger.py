"""One service's document in its bucket: changed by compare-and-set, its events published after that."""

import asyncio
import logging
from collections.abc import Callable

import msgspec

from concierge_proto import bus, errors, subjects
from concierge_scheduler import metrics, state
from concierge_scheduler.state import State

log = logging.getLogger(__name__)

BUCKET = "concierge_services"
_PATIENCE = 1.0
"""Seconds that an event may keep Docker waiting; the document keeps it for later."""


class Ledger:
    """Only the holder of the target's lease writes it."""

    def __init__(self, link: bus.Bus, service: str, lease: bus.Lease) -> None:
        self._link = link
        self._store = link.store(BUCKET)
        self._lease = lease
        self.service = service
        self.state = State(service=service)
        self._revision = 0
        self._writing = asyncio.Lock()
        self._saying = asyncio.Lock()

    async def open(self) -> None:
        """Read what an earlier holder left."""
        found = await self._store.get(self.service)
        if found:
            self.state = state.load(found.value, self.service)
            self._revision = found.revision

    async def change(self, make: Callable[[State], State]) -> State:
        """Store what `make` makes of the state, and return it; `make` runs again after a conflict.

        Raises Temporary when it could not be stored, or is not ours to write any more.
        """
        async with self._writing:
            while (wanted := make(self.state)) != self.state:
                try:
                    self._revision = await self._write(wanted)
                except bus.Conflict:
                    log.warning("%s: somebody else wrote its document; reading again", self.service)
                    await self.open()
                else:
                    self.state = wanted
                    break
            return self.state

    async def publish(self) -> None:
        """Publish the events that wait; what can't be published now stays."""
        async with self._saying:
            letters = self.state.unsaid
            try:
                for letter in letters:
                    await self._send(letter)
                if letters:
                    await self.change(lambda now: _without(now, letters))
            except errors.Temporary as error:
                log.info("%s: events wait: %s", self.service, error)

    async def _write(self, wanted: State) -> int:
        if not self._lease.held:
            raise errors.Temporary(f"the lease of {self.service}'s target is lost")
        if self._revision:
            return await self._store.update(self.service, state.dump(wanted), self._revision)
        return await self._store.create(self.service, state.dump(wanted))

    async def _send(self, letter: state.Letter) -> None:
        event = state.read(letter)
        message = self._link.pack(
            subjects.event(self.service, letter.kind),
            event,
            id=letter.id,
            correlation_id=letter.correlation_id,
            causation_id=letter.causation_id,
        )
        ack = await self._link.publish(message, _PATIENCE)
        if not ack.duplicate:
            metrics.count(event)


def _without(now: State, letters: tuple[state.Letter, ...]) -> State:
    gone = {letter.id for letter in letters}
    return msgspec.structs.replace(now, unsaid=tuple(one for one in now.unsaid if one.id not in gone))
