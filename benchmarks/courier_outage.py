"""`courier_outage`: NATS is killed for OUTAGE=600 seconds, while couriers read 34,000 metrics a second.

One courier has its ring alone, one a spool, each in a container of 128 MB and one core, around an application that
counts its own ticks. It ends when the spool is empty again: with 600 seconds after a quarter of an hour.
"""

import asyncio
import contextlib
import itertools
import json
import logging
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from benchmarks import report
from benchmarks.lab import box, documents, house, ticks
from concierge_proto import bus, messages, settings, subjects
from tests import image
from tests.integration.courier import scene

OUTAGE = int(os.environ.get("OUTAGE", "600"))
BEFORE = 20
"""Seconds of good days first."""
PATIENCE = 2.0 * OUTAGE + 60
"""Seconds until the spool is empty again: one old snapshot goes with each new one."""
PEAK, GROWTH = 44, 2
"""MB."""
FRESH = 5
"""Seconds."""
PAUSE = 1.0
"""Seconds without a tick that an application would call harm."""
LINES = 5
"""On the application's stderr."""


def measure() -> int:
    """Print the rows and keep them; return 0 if all hold."""
    if "PEER_DOCKER_HOST" not in os.environ:
        own = [sys.executable, "-m", "benchmarks", "courier_outage"]
        return subprocess.run(
            [sys.executable, "-m", "tests.peers", "run", "docker", "--require", "--", *own], check=False
        ).returncode
    logging.getLogger("concierge_proto.bus").setLevel(logging.ERROR)  # that NATS is away, we know
    return report.finish("courier_outage", asyncio.run(_measure()))


async def _measure() -> list[report.Row]:
    made = image.courier_image(os.environ["PEER_DOCKER_HOST"], os.environ["PEER_DOCKER_IMAGE"])
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        scenery = Scenery(Path(folder), made)
        async with (
            scenery.opened(),
            scenery.courier("ring") as ring,
            scenery.courier("spool", "--spool", "/lab/spooled") as spool,
        ):
            both = (ring, spool)
            await scenery.pass_by(BEFORE, both)
            await scenery.outage(both)
            await scenery.emptied(spool)
            return [row for one in both for row in await scenery.judged(one)]


class Watched:
    """A courier in its container, and what was seen of it."""

    def __init__(self, name: str, at: box.Box) -> None:
        self.name, self.at = name, at
        self.rss: list[float] = []
        """MB, each second of the outage."""
        self.fresh = 0.0
        """Seconds from NATS's return until a snapshot was stored that was read after it."""
        self.cpu: list[float] = []
        """Seconds of CPU that the container had used at the marks."""

    def mark(self) -> None:
        self.cpu.append(self.at.usage().cpu)


class Marks(NamedTuple):
    """Monotonic seconds."""

    killed: float
    back: float
    returned: datetime
    """The same as `back`."""


class Scenery:
    """NATS, which comes and goes, and the file that both couriers read."""

    def __init__(self, room: Path, made: str) -> None:
        self._image = made
        self._folder = room / "lab"
        self._folder.mkdir()
        shutil.copy(ticks.__file__, self._folder / "ticks.py")
        self._file = documents.Changing(self._folder / "large.json", documents.dropwizard, documents.NAMES)
        self._server = scene.Server(room / "nats", _free(), listen="0.0.0.0")  # noqa: S104 - containers come in
        self._marks = Marks(0, 0, datetime.now(UTC))

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        await self._server.start()
        try:
            async with bus.connect(settings.Nats(url=self._server.url), "bench") as self._link:
                await bus.provision(self._link)
                yield
        finally:
            await self._server.stop()

    @contextlib.asynccontextmanager
    async def courier(self, name: str, *more: str) -> AsyncIterator[Watched]:
        url = self._server.url.replace("127.0.0.1", os.environ["PEER_DOCKER_GATEWAY"])
        us = ("run", "--service", house.SERVICE, "--instance", name, "--nats", url, "--interval", "1s")
        read = ("--source", "dropwizard=/lab/large.json")
        application = ("--", "python3", "/lab/ticks.py", f"/lab/{name}.ticks")
        words = ("python3", "-m", "concierge_courier", *us, *read, *more, *application)
        async with box.running(self._image, self._folder, *words, cpus=1) as one:
            yield Watched(name, one)

    async def pass_by(self, seconds: int, both: tuple[Watched, ...]) -> None:
        """Let good days pass; what they cost is between two marks."""
        await asyncio.sleep(5)
        for one in both:
            one.mark()
        for _ in range(seconds):
            self._file.turn()
            await asyncio.sleep(1)

    async def outage(self, both: tuple[Watched, ...]) -> None:
        """Kill NATS, watch, start it again, and wait for what was read since."""
        for one in both:
            one.mark()
        killed = time.monotonic()
        await self._server.kill()
        while time.monotonic() < killed + OUTAGE:
            for one in both:
                one.rss.append(one.at.memory("VmRSS"))
            self._file.turn()
            await asyncio.sleep(1)
        for one in both:
            one.mark()
        await self._server.start()
        self._marks = Marks(killed, time.monotonic(), datetime.now(UTC))
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            for one in both:
                group.create_task(self._fresh(one))

    async def _fresh(self, one: Watched) -> None:
        async with contextlib.aclosing(self._since(one)) as read:
            await anext(read)
        one.fresh = time.monotonic() - self._marks.back

    async def emptied(self, spool: Watched) -> None:
        """Wait until the spool's courier says that nothing is on disk any more."""
        async with asyncio.timeout(PATIENCE):
            async for snapshot in self._since(spool):
                self._file.turn()
                if scene.facts(snapshot)["courier.spooled"] == 0:
                    return

    async def _since(self, one: Watched) -> AsyncGenerator[messages.Snapshot, None]:
        """Yield what was read since NATS came back."""
        back = self._marks.returned
        async for snapshot in self._stored(one, since=back, follow=True):
            if snapshot.time_ns > back.timestamp() * 1e9:
                yield snapshot

    async def _stored(self, one: Watched, **start: object) -> AsyncGenerator[messages.Snapshot, None]:
        subject = subjects.snapshot(house.SERVICE, one.name)
        async for delivery in self._link.history("TELEMETRY", subject, **start):  # type: ignore[arg-type]
            yield delivery.read(messages.Snapshot)

    async def judged(self, one: Watched) -> list[report.Row]:
        """Stop a courier, and return what became of it, of its snapshots and of its application."""
        peak = one.at.memory()
        await box.docker("stop", one.at.name)
        code = int(await box.docker("inspect", "--format", "{{.State.ExitCode}}", one.at.name))
        said = await box.docker("logs", one.at.name, stderr=True)
        stored = [snapshot async for snapshot in self._stored(one)]
        title = f"{OUTAGE} s without NATS, {one.name}"
        return [
            *_memory(title, one.rss, peak),
            *_snapshots(title, {found.seq for found in stored}, scene.facts(max(stored, key=_seq))),
            report.at_most(f"{title}: from its return to a fresh snapshot stored", one.fresh, "s", FRESH),
            _cpu(title, one),
            *self._application(title, one.name, code),
            report.at_most(f"{title}: lines on the application's stderr", len(said.splitlines()), "", LINES),
        ]

    def _application(self, title: str, name: str, code: int) -> list[report.Row]:
        """Return what its own ticks say."""
        found = json.loads((self._folder / f"{name}.ticks").read_text())
        pauses = [(b - a, self._marks.killed < b < self._marks.back) for a, b in itertools.pairwise(found)]
        away = [pause for pause, inside in pauses if inside]
        before = [pause for pause, inside in pauses if not inside]
        middle, other = statistics.median(away) * 1000, statistics.median(before) * 1000
        harm = sum(pause > PAUSE for pause in away)
        return [
            report.Row(
                f"{title}: the application's tick of 100 ms, rival: else", middle, other, "ms", None, ""
            ),
            report.at_most(f"{title}: the application's pauses above {PAUSE:g} s", harm, "", 0),
            report.Row(
                f"{title}: the application's own exit code", code, None, "", None, "= 5", code == ticks.CODE
            ),
        ]


def _memory(title: str, rss: list[float], peak: float) -> list[report.Row]:
    """The ring fills in the first fifth."""
    fifth = len(rss) // 5
    grown = statistics.median(rss[-fifth:]) - statistics.median(rss[fifth : 2 * fifth])
    return [
        report.at_most(f"{title}: resident at most", max(rss), "MB", PEAK),
        report.at_most(f"{title}: growth from the second fifth to the last", grown, "MB", GROWTH),
        report.Row(f"{title}: peak of the process to its end", peak, None, "MB", None, ""),
    ]


def _snapshots(title: str, seen: set[int], facts: dict[str, messages.Value]) -> list[report.Row]:
    """Each number that is not in the stream must have been counted, in a snapshot that is."""
    missing, counted = max(seen) - len(seen), int(facts["courier.dropped"])
    return [
        report.Row(f"{title}: snapshots stored", len(seen), None, "", None, ""),
        report.Row(f"{title}: snapshots dropped, as published", counted, None, "", None, ""),
        report.at_most(f"{title}: snapshots neither stored nor counted", abs(missing - counted), "", 0),
        report.at_most(f"{title}: collections skipped", int(facts["courier.skipped"]), "", 0),
    ]


def _cpu(title: str, one: Watched) -> report.Row:
    first, killed, back = one.cpu
    away, before = (back - killed) / OUTAGE * 1000, (killed - first) / BEFORE * 1000
    return report.Row(f"{title}: CPU a second, rival: before", away, before, "ms", away / before, "")


def _seq(found: messages.Snapshot) -> int:
    return found.seq


def _free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port
