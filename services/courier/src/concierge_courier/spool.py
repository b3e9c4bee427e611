"""What waits for NATS: snapshots in a ring that is bounded in bytes and age, and what must never be lost.

Kept messages (state changes, discovery) go first; then snapshots, oldest first. Everything that was added is
delivered, waiting, or counted in `dropped`. With a shelf the ring holds the newest alone: what waits behind it
goes to disk, and comes back one at a time, each after a live one, so that the present is never late for the past.
"""

import asyncio
import itertools
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import NamedTuple

from concierge_courier import shelf
from concierge_proto import bus

_OVERHEAD = 1024
"""Bytes that a message costs beside its body: headers and objects."""


REASONS = ("full", "old", "refused", "corrupt")
"""Why a snapshot was dropped: no room, too old, NATS will never take it, damaged on disk."""


class _Waiting(NamedTuple):
    message: bus.Message
    since: float


class Spool:
    """In memory. The message that is being sent is never dropped, nor is the newest snapshot for its size."""

    def __init__(
        self,
        size: int,
        age: float,
        clock: Callable[[], float] = time.monotonic,
        disk: shelf.Shelf | None = None,
    ) -> None:
        self._size = size
        self._age = age
        self._clock = clock
        self._kept: dict[str, bus.Message] = {}
        self._ring: deque[_Waiting] = deque()
        self._sending: bus.Message | None = None
        self._retried: dict[str, bus.Message] = {}
        """Of each subject the last that could not be sent."""
        self._disk = disk
        self._owed = False
        """A live one was stored: one from disk may follow."""
        self._aside = set[str]()
        """Subjects that NATS did not take just now: the others go first."""
        self._changed = asyncio.Event()
        self.closing = asyncio.Event()
        """Set when the end is near: no pause is too short now."""
        self.bytes = 0
        """Of the snapshots that wait."""
        self.lost = Counter[str]() if disk is None else disk.lost
        """Snapshots, by reason."""
        self.delivered = 0
        """Snapshots that are stored."""
        self.retried = 0
        """Messages that were not stored at the first try."""

    def __len__(self) -> int:
        return len(self._kept) + len(self._ring)

    @property
    def dropped(self) -> int:
        """Snapshots, for whatever reason."""
        return self.lost.total()

    @property
    def oldest(self) -> int:
        """Whole seconds that the oldest snapshot has been waiting; 0 when none does."""
        ring = self._clock() - self._ring[0].since if self._ring else 0.0
        return int(max(ring, 0.0 if self._disk is None else self._disk.age))

    def facts(self) -> dict[str, int | None]:
        """Return what the courier publishes about its deliveries; None without a disk."""
        return {
            "courier.delivered": self.delivered,
            "courier.retried": self.retried,
            "courier.dropped": self.dropped,
            **{f"courier.dropped.{reason}": self.lost[reason] for reason in REASONS},
            "courier.spooled": None if self._disk is None else len(self._disk),
            "courier.oldest": self.oldest,
        }

    def add(self, message: bus.Message) -> None:
        """Let a snapshot wait; the oldest make room for it."""
        self.shelve()
        self._ring.append(_Waiting(message, self._clock()))
        self.bytes += _cost(message)
        self._trim()
        self._changed.set()

    def keep(self, message: bus.Message, slot: str) -> None:
        """Let a message wait as long as it takes; it replaces the one of its slot."""
        self._kept.pop(slot, None)
        self._kept[slot] = message
        self._changed.set()

    async def take(self) -> bus.Message:
        """Return the next message, once there is one; it stays until `done` or `refuse`."""
        while not (message := self._next() or self._old() or self._anew()):
            self._changed.clear()
            await self._changed.wait()
        self._sending = message
        return message

    def put_back(self, *, aside: bool = False) -> None:
        """The message that was taken could not be sent; `aside`: it holds nothing up that has another subject."""
        sent, self._sending = self._sending, None
        if sent:
            self.retried += self._retried.get(sent.subject) is not sent
            self._retried[sent.subject] = sent
        if sent and aside:
            self._aside.add(sent.subject)
        if self._disk is not None:
            self._disk.put_back()

    def done(self) -> None:
        """The message that was taken is stored."""
        self.delivered += self._remove()

    def refuse(self) -> None:
        """The message that was taken will never be stored."""
        self.lost["refused"] += self._remove()

    def shelve(self) -> None:
        """Put on disk what waits, but what is being sent."""
        for one in [one for one in self._ring if one.message is not self._sending]:
            if self._disk is None or not self._disk.put(one.message):
                return
            self._ring.remove(one)
            self.bytes -= _cost(one.message)

    def close(self) -> None:
        """Put everything on disk, if there is one: it outlives this courier."""
        self.put_back()
        self.shelve()
        if self._disk is not None:
            self._disk.close()

    async def said(self) -> None:
        """Return when nothing waits that must never be lost."""
        while self._kept:
            self._changed.clear()
            await self._changed.wait()

    async def emptied(self) -> None:
        """Return when nothing waits."""
        while len(self):
            self._changed.clear()
            await self._changed.wait()

    def _next(self) -> bus.Message | None:
        self._trim()
        first = itertools.chain(self._kept.values(), (one.message for one in itertools.islice(self._ring, 1)))
        return next((message for message in first if message.subject not in self._aside), None)

    def _anew(self) -> bus.Message | None:
        """Return what was put aside, when nothing else is left."""
        self._aside.clear()
        return self._next()

    def _old(self) -> bus.Message | None:
        """Return one from disk, when it is its turn."""
        return self._disk.take() if self._disk is not None and self._owed else None

    def _remove(self) -> bool:
        """Return whether it was a snapshot."""
        sent, self._sending = self._sending, None
        self._changed.set()
        if self._ring and self._ring[0].message is sent:
            self.bytes -= _cost(self._ring.popleft().message)
            self._owed = True
            return True
        if self._disk is not None and self._disk.taken:
            self._disk.done()
            self._owed = False
            return True
        for slot, message in list(self._kept.items()):
            if message is sent:
                del self._kept[slot]
        return False

    def _trim(self) -> None:
        while self._ring and self._droppable():
            at = 1 if self._ring[0].message is self._sending else 0
            self.lost["full" if self.bytes > self._size else "old"] += 1
            self.bytes -= _cost(self._ring[at].message)
            del self._ring[at]

    def _droppable(self) -> bool:
        oldest = self._ring[0]
        if oldest.message is self._sending:
            return self.bytes > self._size and len(self._ring) > 2  # noqa: PLR2004 - it and the newest stay
        if self._clock() - oldest.since > self._age:
            return True
        return self.bytes > self._size and len(self._ring) > 1


def _cost(message: bus.Message) -> int:
    return len(message.body) + _OVERHEAD
