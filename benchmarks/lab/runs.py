"""Deliveries: the courier's at its own beat, and the script's when it is told to."""

import asyncio
import contextlib
import json
import math
import os
import shlex
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks.lab import box, house
from concierge_proto import messages, subjects

PYTHON = ("python3", "-m", "concierge_courier")
SETTLED = 1.5
"""Seconds after a snapshot was published in which its receipt comes, and all that it costs is over."""


class Delivery(NamedTuple):
    """One."""

    cpu: float
    """Seconds inside the container: everything since the delivery before, heartbeats too."""
    wall: float
    """Milliseconds from the start of the read to Zabbix's answer; inf: none before the next read."""
    wire: int
    """Bytes over the container's interface, both ways."""
    processed: int
    """Values that Zabbix took; of the script those of its last packet: zabbix_sender tells no more."""


class Beat(NamedTuple):
    """One snapshot as it passed by."""

    snapshot: messages.Snapshot
    facts: dict[str, messages.Value | None]
    """The courier's own."""


Between = Callable[[], Awaitable[None]]


async def beats(at: house.House, instance: str) -> AsyncGenerator[Beat, None]:
    """Yield snapshots as they are published."""
    async with at.link.listening(subjects.snapshot(house.SERVICE, instance)) as heard:
        async for delivery in heard:
            found = delivery.read(messages.Snapshot)
            own = found.blocks[-1]
            yield Beat(found, dict(zip(own.names, own.values, strict=True)))


async def ours(
    at: house.House, one: box.Box, instance: str, count: int, between: Between | None = None
) -> list[Delivery]:
    """Measure the courier's next deliveries; after each of them, in its quiet time, `between` is called."""
    found: list[Delivery] = []
    async with contextlib.aclosing(beats(at, instance)) as heard, _receipts(at, instance) as taken:
        await anext(heard)
        await asyncio.sleep(SETTLED)
        before = one.usage()
        async for beat in heard:
            if found:
                found[-1] = found[-1]._replace(wall=_wall(beat.facts))
            if len(found) == count:
                return found
            await asyncio.sleep(SETTLED)
            after = one.usage()
            processed = taken.get(beat.snapshot.id, 0)
            found.append(Delivery(after.cpu - before.cpu, math.inf, after.wire - before.wire, processed))
            before = after
            if between:
                await between()
    return found


def _wall(facts: dict[str, messages.Value | None]) -> float:
    """Return how long the delivery before this snapshot took; absent, 0 and -1 all mean that it was none."""
    found = float(facts.get("courier.elapsed") or 0)
    return found if found > 0 else math.inf


@contextlib.asynccontextmanager
async def _receipts(at: house.House, instance: str) -> AsyncIterator[dict[str, int]]:
    """Give what Zabbix took, by snapshot; it fills while the context is open."""
    taken: dict[str, int] = {}

    async def listen() -> None:
        async with at.link.listening(subjects.receipt(house.SERVICE, instance)) as heard:
            async for delivery in heard:
                receipt = delivery.read(messages.Receipt)
                taken[receipt.snapshot_id] = receipt.processed

    listening = asyncio.create_task(listen())
    try:
        yield taken
    finally:
        listening.cancel()


def courier(at: house.House, instance: str, interval: float, *sources: str) -> tuple[str, ...]:
    """Return the command line of a courier."""
    words = ("run", "--service", house.SERVICE, "--instance", instance, "--nats", at.url)
    named = [word for source in sources for word in ("--source", source)]
    return (*PYTHON, *words, "--interval", f"{interval:g}s", *named)


class Script:
    """The 2017 method in a box of its own, waiting for its turn."""

    GO, SAID = "go", "said"

    def __init__(self, folder: Path, one: box.Box, words: list[str]) -> None:
        self.found: list[Delivery] = []
        self.peak = 0.0
        """MB."""
        self._folder = folder
        self._box = one
        self._words = shlex.join(words)

    async def __call__(self) -> None:
        before = self._box.usage()
        await asyncio.to_thread((self._folder / self.GO).write_text, self._words + "\n")
        said = json.loads(await asyncio.to_thread((self._folder / self.SAID).read_text))
        await asyncio.sleep(0.1)
        after = self._box.usage()
        self.peak = max(self.peak, said["peak"])
        self.found.append(
            Delivery(after.cpu - before.cpu, said["wall"] * 1000, after.wire - before.wire, said["processed"])
        )


@contextlib.asynccontextmanager
async def script(
    at: house.House, image: str, sender: list[str], file: str, instance: str
) -> AsyncIterator[Script]:
    """Give the script in a box like the courier's; told by a pipe, since `docker exec` would cost the box CPU."""
    (at.folder / "script.py").write_text((Path(__file__).parent / "script.py").read_text())
    for pipe in (Script.GO, Script.SAID):
        (at.folder / pipe).unlink(missing_ok=True)
        os.mkfifo(at.folder / pipe)
    loop = (
        f"while read -r words </lab/{Script.GO}; do python3 /lab/script.py $words >/lab/{Script.SAID}; done"
    )
    async with box.running(image, at.folder, "sh", "-c", loop) as one:
        yield Script(at.folder, one, [f"/lab/{file}", instance, *at.server, *sender])


class Soak(NamedTuple):
    """What a long run showed, snapshot by snapshot."""

    rss: list[float]
    """MB."""
    walls: list[float]
    """Milliseconds; inf: not delivered before the next read."""
    skipped: int
    dropped: int


async def soak(at: house.House, one: box.Box, instance: str, seconds: int, turn: Callable[[], None]) -> Soak:
    """Watch a courier that delivers every second; `turn` gives the file new numbers each time."""
    rss: list[float] = []
    walls: list[float] = []
    async with contextlib.aclosing(beats(at, instance)) as heard:
        first = last = (await anext(heard)).facts
        while len(walls) < seconds:
            last = (await anext(heard)).facts
            rss.append(one.memory("VmRSS"))
            walls.append(_wall(last))
            turn()
    skipped, dropped = (
        int(last[name] or 0) - int(first[name] or 0) for name in ("courier.skipped", "courier.dropped")
    )
    return Soak(rss, walls, skipped, dropped)
