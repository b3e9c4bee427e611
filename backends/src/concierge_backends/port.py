"""What Concierge needs of a monitoring system: it takes in facts, and it says what is wrong."""

from datetime import datetime
from typing import NamedTuple, Protocol

from concierge_proto import messages, metric


class Delivered(NamedTuple):
    """What became of a snapshot's values: `processed + failed == total`."""

    processed: int
    failed: int
    total: int
    detail: str = ""
    """Why values failed, in words."""
    parked: int = 0
    """Of `failed`: kept, and sent again once the system has an item for them."""
    undiscovered: int = 0
    """Of `failed`: given up, since no item came in time."""
    refused: int = 0
    """Of `failed`: what the system cannot store, or would not."""


class Aggregate(NamedTuple):
    """One metric over a service's fresh instances; `instances` of them had it."""

    metric: metric.Metric
    instances: int
    avg: float
    sum: float
    min: float
    max: float


class Aggregates(NamedTuple):
    """The service as one thing, at one moment."""

    service: str
    time_ns: int
    heard: int
    """Instances that were heard within the service's `fresh`."""
    running: int
    """Those of them whose last heartbeat said 1."""
    metrics: tuple[Aggregate, ...]
    """Only those that at least one fresh instance had: absent is never zero."""


class Report(NamedTuple):
    """What became of something that was asked for: a webhook nobody can follow, a decision, or what Docker did."""

    event: messages.Trigger | messages.Decision | messages.Outcome
    command: messages.Command | None = None
    """What asked for it; None: nobody did, e.g. a count outside its bounds."""


class Instance(NamedTuple):
    """One running copy of a service, by its names."""

    service: str
    name: str


class Backend(Protocol):
    """The way out. Raises Temporary when the system is away, Permanent when it refuses for good."""

    name: str

    async def snapshot(self, snapshot: messages.Snapshot) -> Delivered: ...

    async def discovery(self, discovery: messages.Discovery) -> None: ...

    async def heartbeat(self, heartbeat: messages.Heartbeat) -> None: ...

    async def aggregates(self, aggregates: Aggregates) -> None: ...

    async def report(self, report: Report) -> None:
        """Show what became of it, beside what asked for it. The same one may come twice."""

    async def instances(self) -> list[Instance]:
        """Return whom it takes for running, from earlier lives of the forwarder too: some may be gone since."""


class Problems(Protocol):
    """The level behind the edges: every problem that is open now, as its webhook would have told it."""

    async def problems(self, source: str) -> list[messages.Trigger]: ...


class System(Backend, Problems, Protocol):
    """What the registry opens: both at once."""


class Webhook(Protocol):
    """The way back, pure: what a system posted, as triggers. Raises Malformed with the field."""

    def __call__(self, body: bytes, source: str, received_at: datetime) -> list[messages.Trigger]: ...
