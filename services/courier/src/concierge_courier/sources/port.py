"""What the courier needs of a source: everything it has, in one shot."""

from collections.abc import Callable
from typing import NamedTuple, Protocol, runtime_checkable

from concierge_courier.sources import access
from concierge_proto import messages

Started = Callable[[], None]
"""Called when the response starts, from any thread: the first call of a collection is its timestamp."""


class Limits(NamedTuple):
    """What one reading may cost."""

    patience: float
    """Seconds over the whole of it."""
    size: int
    """Bytes of a document."""


class Reading(NamedTuple):
    """All metrics of a source."""

    blocks: tuple[messages.Block, ...]
    """One per kind of metric."""
    unusable: int = 0
    """Values that no metric can carry: NaN, infinities, lists, objects."""


class Source(Protocol):
    """Raises TimeoutError when its time is over, Temporary with the reason when it can't be read."""

    name: str

    async def read(self, limits: Limits, started: Started) -> Reading: ...


@runtime_checkable
class Locked(Protocol):
    """A source that can be told what opens it."""

    def unlock(self, keys: access.Access) -> None:
        """Show this at the door from now on; raise Permanent when it does not fit."""


@runtime_checkable
class Watching(Protocol):
    """A source that watches the application."""

    def watch(self, pid: Callable[[], int]) -> None:
        """From now on `pid` says which process that is; 0: none at the moment."""
