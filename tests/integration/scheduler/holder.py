"""A scheduler in a process of its own, on an endpoint that is a file: `python holder.py CONFIG FILE SECONDS`.

The file holds one call a line, `PID COUNT`; the last one is the count. A call takes SECONDS to take effect,
and says `calling` on standard output when it begins.
"""

import asyncio
import sys
from pathlib import Path

from concierge_proto import bus, settings
from concierge_scheduler.keeper import Keeper
from concierge_scheduler.presence import Presence
from concierge_scheduler.targets import port


class Paper:
    """One service, whose count is the last line of a file."""

    name = "shop"
    whole = False
    lasting = 0.0

    def __init__(self, path: Path, seconds: float) -> None:
        self._path = path
        self._seconds = seconds

    async def identity(self) -> str:
        return f"paper{self._path}"

    async def read(self) -> dict[str, port.Observed]:
        lines = self._path.read_text().split()
        instances = tuple(
            port.Instance(id=f"{n}", name=f"web-{n}", running=True, healthy=True)
            for n in range(1, int(lines[-1]) + 1)
        )
        return {"web": port.Observed(service="web", wanted=len(instances), instances=instances)}

    async def scale(self, service: str, count: int, intent: str) -> None:
        sys.stdout.write("calling\n")
        sys.stdout.flush()
        await asyncio.sleep(self._seconds)
        with self._path.open("a") as file:
            file.write(f"{intent} {count}\n")

    async def act(self, service: str, deed: port.Deed) -> None: ...

    async def why_not(self, service: str, most: int) -> str:
        return ""

    async def close(self) -> None: ...


async def main(config: str, path: str, seconds: str) -> None:
    found = settings.load(config)
    target = Paper(Path(path), float(seconds))
    async with bus.connect(found.nats, "holder") as link:
        presence = Presence()
        keeper = Keeper("shop", found.services, link, presence)
        async with asyncio.TaskGroup() as group:
            group.create_task(presence.run(link))
            group.create_task(keeper.run(target, await target.identity()))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
