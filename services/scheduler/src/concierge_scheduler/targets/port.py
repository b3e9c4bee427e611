"""What the scheduler needs of a Docker endpoint: read everything at once, set an absolute number."""

import math
from datetime import datetime
from typing import Literal, Protocol

import msgspec


class Instance(msgspec.Struct, frozen=True, kw_only=True):
    """One copy, as the endpoint sees it."""

    id: str
    name: str
    hostname: str = ""
    """What its courier calls itself unless told otherwise; empty: unknown."""
    running: bool
    healthy: bool
    """True also where no health check is defined."""
    detail: str = ""
    """The endpoint's own words for its state."""
    younger_than: float = math.inf
    """It has run for less than so many seconds; infinite: not told, or long enough. Another life has another id else."""


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """One service at one moment."""

    service: str
    wanted: int
    """The number the endpoint itself strives for; compose: how many exist, not ended."""
    changing: bool = False
    """A rollout, or a change that has not settled."""
    stuck: str = ""
    """Why a rollout ends only when somebody ends it, and how; empty: it goes on, or there is none."""
    instances: tuple[Instance, ...] = ()
    intent: str = ""
    """Of the last `scale` that the endpoint took; empty: it keeps none."""
    died: int = 0
    """Instances that ended otherwise than they are told to, and still lie there; an endpoint that replaces them has none."""

    @property
    def settled(self) -> int:
        """Instances that run and are healthy."""
        return sum(1 for one in self.instances if one.running and one.healthy)

    @property
    def present(self) -> int:
        """Instances that take up room, whatever their state."""
        return len(self.instances)


class Deed(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done to instances besides changing their number."""

    verb: Literal["restart", "signal", "resize"]
    instances: tuple[Instance, ...]
    every: bool
    """They are all there are."""
    signal: str = ""
    """`HUP` and so on."""
    cpus: float = 0
    """0: leave alone."""
    memory: int = 0
    """Bytes; 0: leave alone."""
    intent: str
    since: datetime | None = None
    """It may have been done already: leave alone what was restarted after this."""


class Told(Exception):
    """Raised in place of a write by a target that only tells what it would have done."""


class Target(Protocol):
    """Raises Temporary when the endpoint is away or slow, Permanent when it refuses for good."""

    name: str
    whole: bool
    """A service is changed as a whole: restarts are rolled by the endpoint, and new instances get the size."""
    lasting: float
    """Seconds for which a call may go on after whoever made it is gone; 0: it ends with him."""

    async def identity(self) -> str:
        """Return what names the endpoint over all its names: engine or swarm id, and project."""
        ...

    async def read(self) -> dict[str, Observed]:
        """Return every configured service that exists, by our name, in one listing."""
        ...

    async def scale(self, service: str, count: int, intent: str) -> None:
        """Make it `count`. Returns when the call has returned; only a `read` shows whether it took effect."""
        ...

    async def act(self, service: str, deed: Deed) -> None:
        """Do it; raises Permanent where this endpoint can't. A `restart` returns when it is under way or done."""
        ...

    async def why_not(self, service: str, most: int) -> str:
        """Return why the service can't have `most` instances, with the remedy; empty: nothing is known against it."""
        ...

    async def close(self) -> None:
        """Let go of what was started to talk to it; instances live on."""
        ...
