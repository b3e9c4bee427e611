"""Since when all has been as it should, with the same instances in the same lives. Pure but for the time it is told."""

from concierge_scheduler.targets import port


class Steadiness:
    """Watches one service over its readings: what ended and came again between two of them is no steadiness."""

    def __init__(self) -> None:
        self.since: float | None = None
        """Seconds of the first look at what has held from then on; None: it does not hold."""
        self._ids: set[str] = set()

    def note(self, observed: port.Observed | None, asked: float, now: float) -> None:
        """Take a reading in: asked for at `asked`, there at `now`. None: it is not as it should be."""
        if observed is None:
            self.since = None
            return
        ids = {one.id for one in observed.instances}
        if self.since is None or ids != self._ids or _anew(observed, asked - self.since):
            self.since, self._ids = now, ids


def _anew(observed: port.Observed, seconds: float) -> bool:
    """Tell whether an instance has begun another life within so many seconds."""
    return any(one.younger_than <= seconds for one in observed.instances)
