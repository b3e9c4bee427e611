"""`lose`: scale steps and values that are lost or doubled while every part is killed with -9 at random moments.

NATS, gateway, scheduler and forwarder run as processes, and are started again as soon as they are dead. Meanwhile
problems are reported, one for each of many services, and values are published; KILLS=40 deaths. A step counts at an
endpoint that keeps every call, a value in the history of a real Zabbix.
"""

import asyncio
import contextlib
import os
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import msgspec

from benchmarks import report
from concierge_backends.zabbix import api
from concierge_proto import bus, errors, subjects
from tests.integration.zabbix import own
from tests.loop import crash, paper, verdict
from tests.peers import process

KILLS = int(os.environ.get("KILLS", "40"))
SEED = int(os.environ.get("SEED", "2017"))
PAUSE = (0.2, 6.0)
"""Seconds between two deaths, at least and at most: at times too few to get anything done, at times enough."""
EVERY = 0.1
"""Seconds from a value to the next."""
AT_ONCE = 16
"""Services with an open problem."""
STORED = 60.0
"""Seconds until the last values are in the history: Zabbix accepts them before it writes them."""
KEY = "value"
_ZABBIX = """
[forwarder]
listen = ""
[monitoring]
backends = ["zabbix"]
[monitoring.zabbix]
servers = ["{trapper}"]
"""


def measure() -> int:
    """Print the rows and keep them; return 0 if all hold."""
    if "PEER_ZABBIX_TRAPPER" not in os.environ:
        words = [sys.executable, "-m", "benchmarks", "lose"]
        return subprocess.run(
            [sys.executable, "-m", "tests.peers", "run", "zabbix", "--require", "--", *words], check=False
        ).returncode
    return report.finish("lose", asyncio.run(_measure()))


class Mortal(crash.Part):
    """A part that can be killed from outside."""

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)


class Steps(NamedTuple):
    """What became of the problems."""

    asked: int
    lost: int
    doubled: int
    untold: int
    """Of those done once: the chain of events is not exactly one of each."""


class Values(NamedTuple):
    """What became of the values."""

    stored: int
    """On the bus, by its own word."""
    lost: int
    doubled: int


async def _measure() -> list[report.Row]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        room = Room(Path(folder))
        async with crash.running(room.server):
            await room.server.up()
            async with crash.linked(room.server.url) as link, crash.running(*room.parts):
                return _rows(*await room.play(link))


class Room:
    """Everything that runs, and who kills it."""

    def __init__(self, folder: Path) -> None:
        self.server = crash.Server(folder)
        self._folder = folder / "paper"
        self._names = [f"s{number}" for number in range(10 * KILLS)]
        self._port = process.free_port()
        place = {"paper": f'kind = "process"\ndirectory = "{self._folder}"'}
        config = crash.written(
            folder / "concierge.toml",
            self.server.url,
            self._port,
            place,
            dict.fromkeys(self._names, "paper"),
        )
        with config.open("a") as file:
            file.write(_ZABBIX.format(trapper=os.environ["PEER_ZABBIX_TRAPPER"]))
        modules = ("gateway", "scheduler", "backends")
        self.parts = [Mortal(f"concierge_{name}", config, folder / name) for name in modules]
        for name in self._names:
            paper.begin(self._folder, name)
        self._deaths = dict.fromkeys((*modules, "nats"), 0)
        self._over = asyncio.Event()

    async def play(self, link: bus.Bus) -> tuple[dict[str, int], Steps, Values]:
        """Report problems and publish values while parts die; return how often who died, and what became of them."""
        await verdict.ready(self._port)
        async with api.connect(os.environ["PEER_ZABBIX_API"], _login()) as door:
            host = f"lose-{secrets.token_hex(4)}"
            itemid = await own.item(door, await own.host(door, host), KEY)
            while not await own.accepts(os.environ["PEER_ZABBIX_TRAPPER"], host, KEY):  # noqa: ASYNC110 - a server
                await asyncio.sleep(0.2)
            killing = asyncio.create_task(self._kill())
            lanes = [self._report(link, self._names[lane::AT_ONCE], lane) for lane in range(AT_ONCE)]
            times, steps = await asyncio.gather(self._publish(link, host), asyncio.gather(*lanes))
            await killing
            values = await _found(door, itemid, times)
        return self._deaths, Steps(*(sum(column) for column in zip(*steps, strict=True))), values

    async def _kill(self) -> None:
        chance = random.Random(SEED)  # noqa: S311 - not a secret
        for _ in range(KILLS):
            await asyncio.sleep(chance.uniform(*PAUSE))
            victim = chance.choice([*self._deaths])
            self._deaths[victim] += 1
            if victim == "nats":
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.server.pid, signal.SIGKILL)
            else:
                self.parts[[*self._deaths].index(victim)].kill()
        self._over.set()

    async def _report(self, link: bus.Bus, names: list[str], lane: int) -> Steps:
        """Report one problem after the other until the killing is over."""
        asked = lost = doubled = untold = 0
        for number, name in enumerate(names):
            if self._over.is_set():
                break
            event = number * AT_ONCE + lane
            asked += 1
            told = await _told(link, self._port, name, event)
            intents = {intent for intent, _ in paper.calls(self._folder, name)[1:]}
            lost += not intents
            doubled += len(intents) > 1 or paper.calls(self._folder, name)[-1][1] > 2
            untold += len(intents) == 1 and not told
        return Steps(asked, lost, doubled, untold)

    async def _publish(self, link: bus.Bus, host: str) -> list[int]:
        """Publish a value again and again; return the times of those that the bus has stored."""
        times: list[int] = []
        while not self._over.is_set():
            seq = len(times) + 1
            snapshot = msgspec.structs.replace(own.snapshot(host, {KEY: seq}), seq=seq)
            await _insistently(link, link.pack(subjects.snapshot(snapshot.service, host), snapshot))
            times.append(snapshot.time_ns)
            await asyncio.sleep(EVERY)
        return times


def _login() -> api.Login:
    return api.Login(user=os.environ["PEER_ZABBIX_USER"], password=os.environ["PEER_ZABBIX_PASSWORD"])


async def _told(link: bus.Bus, port: int, name: str, event: int) -> bool:
    """Report one problem and wait for its end; return whether its events are exactly one chain."""
    try:
        await verdict.send(port, name, event)
        await verdict.settled(link, name)
        await verdict.judge(link, name, event)
    except (AssertionError, TimeoutError, ValueError):
        return False
    return True


async def _insistently(link: bus.Bus, message: bus.Message) -> None:
    """Publish until the bus says that it is stored; the same message twice is stored once."""
    while True:
        with contextlib.suppress(errors.Temporary):
            await link.publish(message)
            return
        await asyncio.sleep(EVERY)


async def _found(door: api.Api, itemid: str, times: list[int]) -> Values:
    """Look into the history until all are there or time is up."""
    question = {"itemids": [itemid], "history": 0, "output": ["clock", "ns"]}
    end = time.monotonic() + STORED
    while True:
        rows = [
            int(row["clock"]) * 10**9 + int(row["ns"]) for row in await door.call("history.get", question)
        ]
        lost = len(set(times) - set(rows))
        if not lost or time.monotonic() > end:
            return Values(len(times), lost, len(rows) - len(set(rows)))
        await asyncio.sleep(1)


def _rows(deaths: dict[str, int], steps: Steps, values: Values) -> list[report.Row]:
    how = ", ".join(f"{name} {count}" for name, count in deaths.items())
    return [
        report.Row(f"kill -9: {how}", sum(deaths.values()), None, "", None, ""),
        report.Row("steps asked for meanwhile", steps.asked, None, "", None, ""),
        report.at_most("steps lost", steps.lost, "", 0),
        report.at_most("steps doubled", steps.doubled, "", 0),
        report.at_most("steps whose chain of events is not whole", steps.untold, "", 0),
        report.Row("values stored on the bus meanwhile", values.stored, None, "", None, ""),
        report.at_most("values lost", values.lost, "", 0),
        report.at_most("values doubled", values.doubled, "", 0),
    ]
