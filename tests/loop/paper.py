"""An endpoint that is a folder: it outlives whoever calls it, and keeps every call.

A file for each service holds a line for each call, `INTENT COUNT`; the last one is the count.
"""

import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from concierge_proto import settings
from concierge_scheduler.targets import port


class Paper:
    """Calls written down instead of containers."""

    whole = False
    lasting = 0.0

    def __init__(self, name: str, folder: Path, services: Mapping[str, settings.Service]) -> None:
        self.name = name
        self._folder = folder
        self._services = services

    async def identity(self) -> str:
        return f"process{self._folder}"

    async def read(self) -> dict[str, port.Observed]:
        return {service: _observed(service, calls(self._folder, service)) for service in self._services}

    async def scale(self, service: str, count: int, intent: str) -> None:
        with (self._folder / service).open("a") as file:
            file.write(f"{intent} {count}\n")

    async def act(self, service: str, deed: port.Deed) -> None:
        raise NotImplementedError

    async def why_not(self, service: str, most: int) -> str:
        return ""

    async def close(self) -> None:
        """Nothing was started."""


def begin(folder: Path, service: str) -> None:
    """Give a service its first instance."""
    folder.mkdir(exist_ok=True)
    (folder / service).write_text("begin 1\n")


def calls(folder: Path, service: str) -> list[tuple[str, int]]:
    """Return the intent and the count of every call, the beginning first."""
    lines = (folder / service).read_text().splitlines()
    return [(intent, int(count)) for intent, count in (line.split() for line in lines)]


def _observed(service: str, made: list[tuple[str, int]]) -> port.Observed:
    count = made[-1][1]
    names = [f"{service}-{n}" for n in range(1, count + 1)]
    return port.Observed(
        service=service,
        wanted=count,
        instances=tuple(port.Instance(id=name, name=name, running=True, healthy=True) for name in names),
    )


@contextlib.asynccontextmanager
async def open(  # noqa: A001 - the registry's word
    name: str,
    config: settings.Target,
    services: dict[str, settings.Service],
    nats_url: str,
) -> AsyncIterator[port.Target]:
    """Give the target for as long as it is needed."""
    yield Paper(name, Path(config.directory), services)
