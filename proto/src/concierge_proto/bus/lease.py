"""Who does it: one holder at a time, by a key that dies unless it is renewed."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable

from concierge_proto import errors, identity
from concierge_proto.bus import kv

log = logging.getLogger(__name__)

BUCKET = "concierge_leases"
"""Its values live 8 s."""
VALID = 7.0
"""Seconds from the sending of a renewal in which nobody else can hold: below the bucket's 8."""
_RENEW = 2.0
_TRY = 1.0
_AGAIN = 0.2
"""Seconds until a renewal without an answer is tried again."""
_RELEASE = 1.0


def boottime() -> float:
    """Seconds that also pass while the machine sleeps: a suspended holder wakes up without its lease."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Lease:
    """One key of the bucket of leases.

        free ──create──▶ held ──every 2 s──▶ held
          ▲               │ renewal not answered for 7 s, or somebody else's
          └───────────────┘

    A dead holder's successor holds within 12 s, a cleanly stopped one's within 2 s.
    """

    def __init__(
        self, store: kv.Store, key: str, owner: str, *, clock: Callable[[], float] = boottime
    ) -> None:
        self._store = store
        self.key = key
        self._life = f"{owner} {identity.mint()}"
        self._clock = clock
        self._writes = 0
        self._revision = 0
        self._until = float("-inf")
        self._taken = asyncio.Event()
        self._lost = asyncio.Event()
        self._lost.set()

    @property
    def held(self) -> bool:
        """True as long as nobody else can hold it; ask right before each act."""
        return self._clock() < self._until

    @property
    def revision(self) -> int:
        """Grows with every renewal and every holder; 0 while it is not held."""
        return self._revision if self.held else 0

    async def taken(self) -> None:
        """Return when it is held."""
        await self._taken.wait()

    async def lost(self) -> None:
        """Return when it is not held; noticed at the latest with the next renewal: `held` knows at once."""
        await self._lost.wait()

    async def run(self) -> None:
        """Take it when it is free and keep it, until cancelled; then give it back."""
        try:
            while True:
                answered = await self._turn()
                self._tell()
                pause = _RENEW if self.held else _TRY
                await asyncio.sleep(pause if answered else _AGAIN)
        finally:
            await self._release()

    async def _turn(self) -> bool:
        """Write once; False when it must be tried again soon."""
        sent = self._clock()
        try:
            self._revision = await self._write()
        except kv.Conflict:
            return await self._look()
        except errors.Temporary as error:
            log.info("lease %s: not renewed: %s", self.key, error)
            return False
        self._until = sent + VALID
        return True

    async def _write(self) -> int:
        """Write a value of its own each time: read back after a time-out, it proves which write arrived."""
        self._writes += 1
        value = f"{self._life} {self._writes}".encode()
        if self._revision:
            return await self._store.update(self.key, value, self._revision)
        return await self._store.create(self.key, value)

    async def _look(self) -> bool:
        """Find out who holds it; one of our own writes, taken for lost, is gone on from."""
        try:
            found = await self._store.get(self.key)
        except errors.Temporary:
            return False
        ours = found is not None and found.value.decode(errors="replace").startswith(f"{self._life} ")
        self._revision = found.revision if found and ours else 0
        if not ours:
            self._until = float("-inf")
        return found is not None and not ours

    def _tell(self) -> None:
        if self.held == self._taken.is_set():
            return
        log.info("lease %s: %s", self.key, "taken" if self.held else "lost")
        for event, state in ((self._taken, self.held), (self._lost, not self.held)):
            (event.set if state else event.clear)()

    async def _release(self) -> None:
        self._until = float("-inf")
        self._tell()
        if not self._revision:
            return
        with contextlib.suppress(errors.ConciergeError, TimeoutError):
            async with asyncio.timeout(_RELEASE):
                await self._store.delete(self.key, self._revision)
