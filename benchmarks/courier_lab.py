"""`courier_lab`: 34,000 metrics out of a container of 128 MB and a fifth of a core, against the script of 2017.

The courier and the script have a container each and take turns at the same file and the same Zabbix; a turn of
both gives one ratio, and the median of the turns counts. SOAK=600 adds that many seconds at one snapshot a second.
"""

import asyncio
import contextlib
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

from benchmarks import report
from benchmarks.lab import box, documents, house, monitoring, runs
from concierge_backends.zabbix import api
from tests import image

TURNS = int(os.environ.get("TURNS", "9"))
INTERVAL = 7.0
"""Seconds from one of the courier's deliveries to the next; the script's is in between."""
YOUNG = 95.0
"""Seconds after which the forwarder no longer sends again what found no item."""
CPU, WALL, TEXT = 0.25, 1.0, 1.5
PEAK, IDLE, GROWTH = 44, 36, 2
"""MB."""


def measure() -> int:
    """Print the rows and keep them; return 0 if all hold."""
    if "PEER_ZABBIX_TRAPPER" not in os.environ:
        own = [sys.executable, "-m", "benchmarks", "courier_lab"]
        return subprocess.run(
            [sys.executable, "-m", "tests.peers", "run", "docker", "zabbix", "--require", "--", *own],
            check=False,
        ).returncode
    return report.finish("courier_lab", asyncio.run(_measure()))


async def _measure() -> list[report.Row]:
    made = image.courier_image(os.environ["PEER_DOCKER_HOST"], os.environ["PEER_DOCKER_IMAGE"])
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        room = Path(folder)
        async with house.opened(room) as at, monitoring.prepared(at.config) as door, house.forwarding(room):
            lab = Lab(at, made, await house.sender(at.folder))
            await lab.discover("small", 1, door)
            await lab.discover("large", documents.NAMES, door)
            await asyncio.sleep(YOUNG)
            rows = [*await lab.large(), *await lab.small(), *await lab.idle()]
            if seconds := int(os.environ.get("SOAK", "0")):
                rows += await lab.soaked(seconds)
            return rows


class Pairs(NamedTuple):
    """Turns of both, with the same file."""

    ours: list[runs.Delivery]
    rival: list[runs.Delivery]
    peak: float
    """MB of the courier's process since its start; of the larger of the script's two."""
    rival_peak: float
    charged: float
    """MB of the courier's container, with the files that it read."""
    resting: float
    """MB of the courier's process between two deliveries."""

    def row(self, what: str, field: str, unit: str, limit: float = 0, scale: float = 1) -> report.Row:
        """Return the median of one field, and of the turns' ratios."""
        mine, other = ([getattr(one, field) * scale for one in found] for found in (self.ours, self.rival))
        ratio = statistics.median(a / b for a, b in zip(mine, other, strict=True))
        reach = f"≤ {limit:g} ×" if limit else ""
        holds = not limit or ratio <= limit
        return report.Row(what, statistics.median(mine), statistics.median(other), unit, ratio, reach, holds)


class Lab:
    """The experiments, one after the other. An instance is a host in Zabbix."""

    def __init__(self, at: house.House, made: str, sender: list[str]) -> None:
        self._at, self._image, self._sender = at, made, sender

    async def discover(self, instance: str, names: int, door: api.Api) -> None:
        """Run a courier until Zabbix has made the items of what it discovered."""
        documents.Changing(self._at.folder / f"{instance}.json", documents.dropwizard, names)
        async with self._courier(instance, f"dropwizard=/lab/{instance}.json", 20):
            await monitoring.discovered(door, instance, names)

    async def large(self) -> list[report.Row]:
        """34,000 metrics, and as Prometheus's text."""
        json = await self._pairs("large", documents.NAMES)
        text = await self._text()
        cpu = statistics.median(one.cpu for one in json.ours)
        ratio = statistics.median(one.cpu for one in text.ours) / cpu
        return [
            *_rows("34,000 metrics", json, CPU, WALL),
            report.at_most("34,000 metrics: peak of the courier's process", json.peak, "MB", PEAK),
            report.Row("34,000 metrics: peak of script or sender", json.rival_peak, None, "MB", None, ""),
            report.Row(
                "34,000 metrics: charged to the courier's container", json.charged, None, "MB", None, ""
            ),
            report.Row("34,000 metrics: resting between two", json.resting, None, "MB", None, ""),
            report.Row(
                "34,000 samples of Prometheus's text: CPU, rival: Dropwizard's",
                statistics.median(one.cpu for one in text.ours) * 1000,
                cpu * 1000,
                "ms",
                ratio,
                f"≤ {TEXT:g} ×",
                ratio <= TEXT,
            ),
            report.Row(
                "34,000 samples of text: to Zabbix's answer", _middle(text.ours, "wall"), None, "ms", None, ""
            ),
            report.at_most("34,000 samples of text: peak", text.peak, "MB", PEAK),
        ]

    async def small(self) -> list[report.Row]:
        return _rows("17 metrics", await self._pairs("small", 1))

    async def idle(self) -> list[report.Row]:
        """A courier that is connected and has nothing to read."""
        async with self._courier("idle", "", 5) as one:
            await asyncio.sleep(12)
            rows = [report.at_most("idle: the courier's process", one.memory("VmRSS"), "MB", IDLE)]
        made = _executable()
        if not made:
            return rows
        shutil.copy(made, self._at.folder)
        words = runs.courier(self._at, "idle", 5)[len(runs.PYTHON) :]
        async with box.running(self._image, self._at.folder, f"/lab/{made.name}", *words) as one:
            await asyncio.sleep(20)
            title = "idle, the executable: the courier's process and its loader"
            return [*rows, report.at_most(title, one.together(), "MB", IDLE)]

    async def soaked(self, seconds: int) -> list[report.Row]:
        """34,000 metrics every second at one core."""
        file = documents.Changing(self._at.folder / "large.json", documents.dropwizard, documents.NAMES)
        async with self._courier("large", "dropwizard=/lab/large.json", 1, cpus=1) as one:
            await asyncio.sleep(10)
            found = await runs.soak(self._at, one, "large", seconds, file.turn)
        fifth = len(found.rss) // 5
        grown = statistics.median(found.rss[-fifth:]) - statistics.median(found.rss[:fifth])
        undelivered = found.walls.count(math.inf)
        slow = sorted(found.walls)[len(found.walls) * 99 // 100]
        title = f"34,000 metrics a second for {seconds} s"
        return [
            report.at_most(f"{title}: growth from the first fifth to the last", grown, "MB", GROWTH),
            report.at_most(f"{title}: resident at most", max(found.rss), "MB", PEAK),
            report.at_most(f"{title}: collections skipped", found.skipped, "", 0),
            report.at_most(f"{title}: snapshots dropped", found.dropped, "", 0),
            report.at_most(f"{title}: without Zabbix's answer within the second", undelivered, "", 0),
            report.Row(
                f"{title}: to Zabbix's answer, p50", statistics.median(found.walls), None, "ms", None, ""
            ),
            report.Row(f"{title}: to Zabbix's answer, p99", slow, None, "ms", None, ""),
        ]

    async def _pairs(self, instance: str, names: int) -> Pairs:
        name = f"{instance}.json"
        file = documents.Changing(self._at.folder / name, documents.dropwizard, names)
        async with (
            runs.script(self._at, self._image, self._sender, name, instance) as rival,
            self._courier(instance, f"dropwizard=/lab/{name}", INTERVAL) as one,
        ):

            async def turn() -> None:
                await rival()
                file.turn()

            found = await runs.ours(self._at, one, instance, TURNS, turn)
            resting = one.memory("VmRSS")
            return Pairs(found, rival.found, one.memory(), rival.peak, one.charged(), resting)

    async def _text(self) -> Pairs:
        file = documents.Changing(self._at.folder / "text.txt", documents.prometheus, documents.NAMES)

        async def turn() -> None:
            file.turn()

        async with self._courier("text", "prometheus=/lab/text.txt", INTERVAL) as one:
            found = await runs.ours(self._at, one, "text", TURNS, turn)
            return Pairs(found, [], one.memory(), 0, one.charged(), one.memory("VmRSS"))

    @contextlib.asynccontextmanager
    async def _courier(
        self, instance: str, source: str, interval: float, cpus: float = 0.2
    ) -> AsyncIterator[box.Box]:
        words = runs.courier(self._at, instance, interval, *filter(None, [source]))
        async with box.running(self._image, self._at.folder, *words, cpus=cpus) as one:
            yield one


def _rows(title: str, pairs: Pairs, cpu: float = 0, wall: float = 0) -> list[report.Row]:
    return [
        pairs.row(f"{title}: CPU in the container", "cpu", "ms", cpu, 1000),
        pairs.row(f"{title}: read → Zabbix's answer", "wall", "ms", wall),
        pairs.row(f"{title}: on the wire, both ways", "wire", "kB", 0, 1 / 1000),
        report.Row(f"{title}: values that Zabbix took", _middle(pairs.ours, "processed"), None, "", None, ""),
    ]


def _executable() -> Path | None:
    """Return the courier in one file, made anew when that is due; None, and the reason said, where it can't be."""
    made = subprocess.run(["make", "courier-executable"], check=False, stdout=subprocess.DEVNULL)
    return None if made.returncode else Path("build/courier/concierge-courier")


def _middle(found: list[runs.Delivery], field: str) -> float:
    return float(statistics.median(getattr(one, field) for one in found))
