"""What waits for NATS: snapshots in a ring that is bounded in bytes and age, and what must never be lost.

Kept messages (state changes, discovery) go first; then snapshots, oldest first. Everything that was added is
delivered, waiting, or counted in `dropped`.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from concierge_proto import bus

_OVERHEAD = 1024
"""Bytes that a message costs beside its body: headers and objects."""


class _Waiting(NamedTuple):
    message: bus.Message
    since: float


class Spool:
    """In memory. The message that is being sent is never dropped, nor is the newest snapshot for its size."""

    def __init__(self, size: int, age: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = size
        self._age = age
        self._clock = clock
        self._kept: dict[str, bus.Message] = {}
        self._ring: deque[_Waiting] = deque()
        self._sending: bus.Message | None = None
        self._changed = asyncio.Event()
        self.closing = asyncio.Event()
        """Set when the end is near: no pause is too short now."""
        self.bytes = 0
        """Of the snapshots that wait."""
        self.dropped = 0
        """Snapshots that found no room, grew too old, or were refused."""

    def __len__(self) -> int:
        return len(self._kept) + len(self._ring)

    def add(self, message: bus.Message) -> None:
        """Let a snapshot wait; the oldest make room for it."""
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
        while not self._next():
            self._changed.clear()
            await self._changed.wait()
        self._sending = self._next()
        return self._sending  # type: ignore[return-value]

    def put_back(self) -> None:
        """The message that was taken could not be sent."""
        self._sending = None

    def done(self) -> None:
        """The message that was taken is stored."""
        self._remove()

    def refuse(self) -> None:
        """The message that was taken will never be stored."""
        self.dropped += self._remove()

    async def emptied(self) -> None:
        """Return when nothing waits."""
        while len(self):
            self._changed.clear()
            await self._changed.wait()

    def _next(self) -> bus.Message | None:
        self._trim()
        if self._kept:
            return next(iter(self._kept.values()))
        return self._ring[0].message if self._ring else None

    def _remove(self) -> bool:
        """Return whether it was a snapshot."""
        sent, self._sending = self._sending, None
        self._changed.set()
        if self._ring and self._ring[0].message is sent:
            self.bytes -= _cost(self._ring.popleft().message)
            return True
        for slot, message in list(self._kept.items()):
            if message is sent:
                del self._kept[slot]
        return False

    def _trim(self) -> None:
        while self._ring and self._droppable():
            at = 1 if self._ring[0].message is self._sending else 0
            self.bytes -= _cost(self._ring[at].message)
            del self._ring[at]
            self.dropped += 1

    def _droppable(self) -> bool:
        oldest = self._ring[0]
        if oldest.message is self._sending:
            return self.bytes > self._size and len(self._ring) > 2  # noqa: PLR2004 - it and the newest stay
        if self._clock() - oldest.since > self._age:
            return True
        return self.bytes > self._size and len(self._ring) > 1


def _cost(message: bus.Message) -> int:
    return len(message.body) + _OVERHEAD
