"""A target that only remembers: the test double, and what a dry look at a policy runs on."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import NamedTuple

from concierge_proto import errors, identity, settings
from concierge_scheduler.targets import port


class Call(NamedTuple):
    """One call of `scale`."""

    service: str
    wanted: int
    intent: str


class Memory:
    """Counts instead of containers.

    Knobs: `failing` is raised by every call and every reading until it is None again; `delay` is how many
    seconds a call takes; `stuck` instances of a service never become healthy; `changing` services are
    in a rollout; `obstacles` is what a preflight finds; `labelled` are the labels of its services.
    """

    def __init__(self, name: str, services: Mapping[str, settings.Service]) -> None:
        self.name = name
        self._identity = f"memory/{identity.mint()}"
        self.counts = dict.fromkeys(services, 0)
        self.calls: list[Call] = []
        self.intents: dict[str, str] = {}
        self.failing: errors.ConciergeError | None = None
        self.delay = 0.0
        self.stuck: dict[str, int] = {}
        self.changing: set[str] = set()
        self.obstacles: dict[str, str] = {}
        self.deeds: list[port.Deed] = []
        self.labelled: dict[str, dict[str, str]] = {}

    whole = False
    lasting = 0.0

    async def identity(self) -> str:
        self._fail()
        return self._identity

    async def read(self) -> dict[str, port.Observed]:
        self._fail()
        return {service: self._observed(service, count) for service, count in self.counts.items()}

    async def scale(self, service: str, count: int, intent: str) -> None:
        if service not in self.counts:
            raise errors.Permanent(f"target {self.name} has no service {service}")
        self.calls.append(Call(service, count, intent))
        self._fail()
        await asyncio.sleep(self.delay)
        self.counts[service] = count
        self.intents[service] = intent

    async def act(self, service: str, deed: port.Deed) -> None:
        if service not in self.counts:
            raise errors.Permanent(f"target {self.name} has no service {service}")
        self.deeds.append(deed)
        self._fail()
        await asyncio.sleep(self.delay)

    async def why_not(self, service: str, most: int) -> str:  # noqa: ARG002 - there is room
        self._fail()
        return self.obstacles.get(service, "")

    def attend(self, names: Mapping[str, str]) -> None:
        for name in names:
            self.counts.setdefault(name, 0)

    async def labels(self) -> dict[str, dict[str, str]]:
        self._fail()
        return {called: dict(labels) for called, labels in self.labelled.items()}

    async def close(self) -> None:
        """Nothing was started."""

    def _fail(self) -> None:
        if self.failing:
            raise self.failing

    def _observed(self, service: str, count: int) -> port.Observed:
        good = count - self.stuck.get(service, 0)
        instances = tuple(
            port.Instance(
                id=f"{service}-{n}",
                name=f"{service}-{n}",
                hostname=f"{service}-{n}",
                running=True,
                healthy=n <= good,
                detail="" if n <= good else "starting",
            )
            for n in range(1, count + 1)
        )
        return port.Observed(
            service=service,
            wanted=count,
            changing=service in self.changing,
            instances=instances,
            intent=self.intents.get(service, ""),
        )


@contextlib.asynccontextmanager
async def open(  # noqa: A001 - the registry's word
    name: str,
    config: settings.Target,  # noqa: ARG001 - it has nowhere to be
    services: dict[str, settings.Service],
    nats_url: str,  # noqa: ARG001 - nobody speaks
) -> AsyncIterator[port.Target]:
    """Give a target of its own."""
    yield Memory(name, services)
