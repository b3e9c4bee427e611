"""A webhook until it is stored, against a bare FastAPI handler with one JetStream publish.

Both are one process with uvloop and httptools on the same nats-server, flooded in turn; a round gives one ratio, and
the median of the rounds counts. CPU is the server's own, so that a busy machine disturbs it less. The rival with
three publishes shows what the three writes of a webhook cost whoever makes them.
"""

import contextlib
import statistics
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

from benchmarks import report
from benchmarks.control_lab import part, sender
from concierge_cli import nats
from concierge_proto import bus, settings

ROUNDS, COUNT, LANES = 15, 1500, 16
RATE, SLICES, SECONDS = 500, 5, 3
REACH, P99 = 0.6, 10.0
KEY = "the-key-of-the-benchmark-long-enough"
CONFIG = """\
[nats]
url = "{url}"
[targets.shop]
kind = "compose"
[services.web]
target = "shop"
max = 9
[gateway]
listen = "{listen}"
[gateway.sources.own]
kind = "generic"
secret_file = "{key}"
rate = 1000000
"""


class Server(NamedTuple):
    """One of those that take webhooks."""

    part: part.Part
    url: str
    path: str

    def asking(self) -> sender.Request:
        return sender.asking(self.url, self.path, KEY.encode())


class Flood(NamedTuple):
    """What a flood of one server showed."""

    rate: float
    """Requests a second."""
    cpu: float
    """Milliseconds of CPU a request."""


class Round(NamedTuple):
    """All of them in turn."""

    ours: Flood
    bare: Flood
    thrice: Flood


async def measure(room: Path) -> list[report.Row]:
    """Return the rows."""
    room.mkdir()
    async with _servers(room) as (bare, thrice, ours):
        rounds = [Round(await flood(ours), await flood(bare), await flood(thrice)) for _ in range(ROUNDS + 1)]
        slices = [(await _pace(bare), await _pace(ours)) for _ in range(SLICES)]
    return [*throughput(rounds[1:]), delay(slices)]


async def flood(server: Server) -> Flood:
    """Send as much as it takes."""
    before = server.part.cpu
    heard = await sender.flood(server.url, server.asking(), COUNT, LANES)
    return Flood(COUNT / heard.seconds, (server.part.cpu - before) / COUNT * 1000)


async def _pace(server: Server) -> float:
    """Return the 99th percentile of a slice, in milliseconds from when each request was due."""
    heard = await sender.pace(server.url, server.asking(), RATE, RATE * SECONDS, 64)
    return statistics.quantiles(heard.delays, n=100)[98] * 1000


def throughput(rounds: list[Round]) -> list[report.Row]:
    """Compare rates and CPU of the rounds."""
    ratio = statistics.median(each.ours.rate / each.bare.rate for each in rounds)
    cost = statistics.median(each.bare.cpu / each.ours.cpu for each in rounds)
    floor = statistics.median(each.thrice.rate / each.bare.rate for each in rounds)
    ours, bare, thrice = (
        statistics.median(each[which].rate for each in rounds) for which in range(len(Round._fields))
    )
    reach = f"≥ {REACH} ×"
    spent, spare = (statistics.median(each[which].cpu for each in rounds) for which in range(2))
    return [
        report.Row(
            "webhook → stored → 202, rate; rival: bare FastAPI + one publish",
            *(ours, bare, "1/s", ratio, reach, ratio >= REACH),
        ),
        report.Row(
            "webhook → stored → 202, CPU a request (rival ÷ ours)",
            *(spent, spare, "ms", cost, reach, cost >= REACH),
        ),
        report.Row(
            "the bare handler with three publishes at once, rate; rival: with one",
            thrice,
            bare,
            "1/s",
            floor,
            "",
        ),
    ]


def delay(slices: list[tuple[float, float]]) -> report.Row:
    """Judge the slices, (rival, ours) each."""
    rival, ours = (statistics.median(found) for found in zip(*slices, strict=True))
    return report.Row(
        f"webhook → stored → 202, p99 at {RATE} a second",
        *(ours, rival, "ms", ours / rival, f"≤ {P99:g} ms", ours <= P99),
    )


@contextlib.asynccontextmanager
async def _servers(room: Path) -> AsyncIterator[tuple[Server, Server, Server]]:
    """Run a nats-server, the rival with one publish and with three, and the gateway."""
    async with contextlib.AsyncExitStack() as stack:
        url = await stack.enter_async_context(nats.server(room / "nats", room / "run"))
        async with bus.connect(settings.Nats(url=url), "bench") as link:
            await bus.provision(link)
            await _widen(link)
        bare = await stack.enter_async_context(_bare(url, 1))
        thrice = await stack.enter_async_context(_bare(url, 3))
        yield bare, thrice, await stack.enter_async_context(_gateway(room, url))


async def _widen(link: bus.Bus) -> None:
    """Nobody takes the commands here, and 100 a service is the limit otherwise."""
    js = link._js  # noqa: SLF001 - the bench's own server
    config = (await js.stream_info("COMMANDS")).config
    config.max_msgs_per_subject, config.max_bytes = 10**9, -1
    await js.update_stream(config)


@contextlib.asynccontextmanager
async def _bare(url: str, publishes: int) -> AsyncIterator[Server]:
    async with part.child("-m", "benchmarks.control_lab.bare", url, str(publishes)) as child:
        assert child.stdout
        where = (await child.stdout.readline()).decode().strip()
        yield Server(part.Part(child.pid), where, "/webhooks/bare")


@contextlib.asynccontextmanager
async def _gateway(room: Path, url: str) -> AsyncIterator[Server]:
    listen, key, config = part.free(), room / "key", room / "gateway.toml"
    key.write_text(KEY)
    config.write_text(CONFIG.format(url=url, listen=listen, key=key))
    async with part.service("gateway", config, listen) as running:
        yield Server(running, f"http://{listen}", "/webhooks/own")
