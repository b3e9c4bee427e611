"""What waits to be told, one letter a key: a newer one takes the place of the older."""

import asyncio
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """First key in, first out. Past `limit` keys the oldest is dropped and counted."""

    def __init__(self, limit: int = 20_000) -> None:
        self._waiting: dict[str, T] = {}
        self._limit = limit
        self._filled = asyncio.Event()
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, key: str) -> bool:
        return key in self._waiting

    def put(self, key: str, letter: T) -> None:
        """Let it wait, instead of an older one with that key; the key keeps its place."""
        self._waiting[key] = letter
        if len(self._waiting) > self._limit:
            del self._waiting[next(iter(self._waiting))]
            self.dropped += 1
        self._filled.set()

    def put_back(self, key: str, letter: T) -> None:
        """Let it wait again, unless a newer one came meanwhile."""
        if key not in self._waiting:
            self.put(key, letter)

    async def take(self) -> tuple[str, T]:
        """Return what waits longest, as soon as anything does."""
        while not self._waiting:
            self._filled.clear()
            await self._filled.wait()
        key = next(iter(self._waiting))
        return key, self._waiting.pop(key)
