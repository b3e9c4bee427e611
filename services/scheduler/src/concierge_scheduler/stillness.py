"""When a call was lost on the way: the count is wrong, and nothing moves any more. Pure but for the time it is told."""

from concierge_scheduler.state import Change
from concierge_scheduler.targets import port

QUIET = 1.0
"""Seconds without a change until the first further call; twice as many before each later one."""
LOOKS = 3
"""Readings alike, at least."""
CALLS = 4
"""Further calls of one change, at most."""


class Stillness:
    """Watches one change over its readings."""

    def __init__(self, change: Change) -> None:
        self._change = change
        self._last: object = None
        self._since = 0.0
        self._looks = 0
        self._calls = 0

    def due(self, observed: port.Observed | None, now: float) -> bool:
        """Take a reading in, `now` in seconds; return True when calling again is due, and count that as done."""
        seen = _shape(observed) if observed else None
        if seen != self._last:
            self._last, self._since, self._looks = seen, now, 0
        self._looks += 1
        if observed is None or not self._lost(observed) or self._calls >= CALLS:
            return False
        if self._looks < LOOKS or now - self._since < QUIET * 2**self._calls:
            return False
        self._calls += 1
        self._last = None
        return True

    def _lost(self, observed: port.Observed) -> bool:
        """Whether the count is wrong, nothing is under way, and nobody else has set another one after us."""
        if observed.changing or done_and_undone(self._change, observed):
            return False
        running = sum(1 for one in observed.instances if one.running)
        return not observed.wanted == running == self._change.wanted


def _shape(observed: port.Observed) -> object:
    """Return what moves when something moves; the words of a listing count seconds."""
    return observed.wanted, [(one.id, one.running, one.healthy) for one in observed.instances]


def done_and_undone(change: Change, observed: port.Observed) -> bool:
    """Return True where our own call is the last known, and the number is another: somebody set it after us."""
    return observed.intent == change.id and observed.wanted != change.wanted
