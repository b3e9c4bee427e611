"""What became of the snapshots, as the application sees it: milliseconds, -1 timed out, 0 failed."""

import logging
import time
from collections.abc import Callable

from concierge_proto import bus, errors, messages

log = logging.getLogger(__name__)

TIMED_OUT = -1
FAILED = 0


class Receipts:
    """Times each delivery, from the start of the read to the primary backend's word."""

    def __init__(self, patience: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience = patience
        self._clock = clock
        self._open: dict[str, float] = {}
        self._verdict: int | None = None

    def sent(self, snapshot_id: str, started: float) -> None:
        """A snapshot is on its way; `started` in the clock's seconds."""
        self._open[snapshot_id] = started

    def heard(self, receipt: messages.Receipt) -> None:
        """Only the primary backend's word counts, and only within the patience."""
        self._expire()
        started = self._open.pop(receipt.snapshot_id, None) if receipt.primary else None
        if started is not None:
            self._verdict = judge(receipt, self._clock() - started)

    def take(self) -> int | None:
        """Return the newest verdict since the last call; None when there is none."""
        self._expire()
        verdict, self._verdict = self._verdict, None
        return verdict

    def _expire(self) -> None:
        late = [key for key, started in self._open.items() if self._clock() - started > self._patience]
        for key in late:
            del self._open[key]
            self._verdict = TIMED_OUT

    async def listen(self, link: bus.Bus, subject: str) -> None:
        """Hear receipts until cancelled."""
        async with link.listening(subject) as heard:
            async for delivery in heard:
                try:
                    self.heard(delivery.read(messages.Receipt))
                except errors.Malformed as error:
                    log.debug("ignored a receipt: %s", error)


def judge(receipt: messages.Receipt, seconds: float) -> int:
    """Values of which not one was taken are a failed delivery; some may fail for want of an item."""
    if receipt.total and not receipt.processed:
        return FAILED
    return millis(seconds)


def millis(seconds: float) -> int:
    """At least 1: 0 means failed."""
    return max(1, round(seconds * 1000))
