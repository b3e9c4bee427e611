"""`control`: what a webhook costs until it is stored, against a bare FastAPI handler with one JetStream publish.

Both are one process with uvloop and httptools on the same nats-server, flooded in turn; a round gives one ratio, and
the median of the rounds counts. CPU is the server's own, so that a busy machine disturbs it less.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import httpx

from benchmarks import webhooks
from concierge_cli import nats
from concierge_proto import bus, settings

ROUNDS, COUNT, LANES = 5, 2000, 16
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
listen = "127.0.0.1:{port}"
[gateway.sources.own]
kind = "generic"
secret_file = "{key}"
rate = 1000000
"""


class Server(NamedTuple):
    """One of the two."""

    pid: int
    url: str
    path: str

    @property
    def cpu(self) -> float:
        """Seconds of CPU that it has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def asking(self) -> webhooks.Request:
        return webhooks.asking(self.url, self.path, KEY.encode())


class Round(NamedTuple):
    """What a flood of one server showed."""

    rate: float
    """Requests a second."""
    cpu: float
    """Milliseconds of CPU a request."""


def measure() -> int:
    """Print the rows, write them to build/bench/control.json; return 0 if all hold."""
    rows = asyncio.run(_measure())
    folder = Path("build/bench")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "control.json").write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
    for row in rows:
        mark = "ok  " if row["holds"] else "MISS"
        shown = f"{row['ours']:g} {row['unit']}, rival {row['rival']:g}: {row['ratio']} ×"
        print(f"{mark} {row['what']:66} {shown:34} ({row['reach']})")
    return 0 if all(row["holds"] for row in rows) else 1


async def _measure() -> list[dict[str, object]]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        async with _servers(Path(folder)) as (bare, ours):
            rounds = [(await _flood(bare), await _flood(ours)) for _ in range(ROUNDS + 1)][1:]
            slices = [(await _pace(bare), await _pace(ours)) for _ in range(SLICES)]
    return [*_throughput(rounds), _delay(slices)]


async def _flood(server: Server) -> Round:
    before = server.cpu
    heard = await webhooks.flood(server.url, server.asking(), COUNT, LANES)
    return Round(COUNT / heard.seconds, (server.cpu - before) / COUNT * 1000)


async def _pace(server: Server) -> float:
    """Return the 99th percentile of a slice, in milliseconds from when each request was due."""
    heard = await webhooks.pace(server.url, server.asking(), RATE, RATE * SECONDS, 64)
    return statistics.quantiles(heard.delays, n=100)[98] * 1000


def _throughput(rounds: list[tuple[Round, Round]]) -> list[dict[str, object]]:
    ratio = statistics.median(ours.rate / bare.rate for bare, ours in rounds)
    cost = statistics.median(bare.cpu / ours.cpu for bare, ours in rounds)
    return [
        {
            "what": "webhook → stored → 202, throughput vs bare FastAPI + one publish",
            "ours": round(statistics.median(ours.rate for _, ours in rounds)),
            "rival": round(statistics.median(bare.rate for bare, _ in rounds)),
            "unit": "1/s",
            "ratio": round(ratio, 2),
            "reach": f"≥ {REACH} ×",
            "holds": ratio >= REACH,
        },
        {
            "what": "webhook → stored → 202, CPU a request (rival ÷ ours)",
            "ours": round(statistics.median(ours.cpu for _, ours in rounds), 3),
            "rival": round(statistics.median(bare.cpu for bare, _ in rounds), 3),
            "unit": "ms",
            "ratio": round(cost, 2),
            "reach": f"≥ {REACH} ×",
            "holds": cost >= REACH,
        },
    ]


def _delay(slices: list[tuple[float, float]]) -> dict[str, object]:
    p99, rival = (
        statistics.median(ours for _, ours in slices),
        statistics.median(bare for bare, _ in slices),
    )
    return {
        "what": f"webhook → stored → 202, p99 at {RATE} a second",
        "ours": round(p99, 2),
        "rival": round(rival, 2),
        "unit": "ms",
        "ratio": round(p99 / rival, 2),
        "reach": f"≤ {P99:g} ms",
        "holds": p99 <= P99,
    }


@contextlib.asynccontextmanager
async def _servers(folder: Path) -> AsyncIterator[tuple[Server, Server]]:
    """Run a nats-server, the rival and the gateway."""
    async with nats.server(folder / "nats", folder / "run") as url:
        async with bus.connect(settings.Nats(url=url), "bench") as link:
            await bus.provision(link)
            await _widen(link)
        async with _bare(url) as bare, _gateway(folder, url) as ours:
            yield bare, ours


async def _widen(link: bus.Bus) -> None:
    """Nobody takes the commands here, and 100 a service is the limit otherwise."""
    js = link._js  # noqa: SLF001 - the bench's own server
    config = (await js.stream_info("COMMANDS")).config
    config.max_msgs_per_subject, config.max_bytes = 10**9, -1
    await js.update_stream(config)


@contextlib.asynccontextmanager
async def _bare(url: str) -> AsyncIterator[Server]:
    async with _child("-m", "benchmarks.bare", url) as child:
        assert child.stdout
        where = (await child.stdout.readline()).decode().strip()
        yield Server(child.pid, where, "/webhooks/bare")


@contextlib.asynccontextmanager
async def _gateway(folder: Path, url: str) -> AsyncIterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    key, config = folder / "key", folder / "concierge.toml"
    key.write_text(KEY)
    config.write_text(CONFIG.format(url=url, port=port, key=key))
    async with _child("-m", "concierge_gateway", "--config", str(config)) as child:
        server = Server(child.pid, f"http://127.0.0.1:{port}", "/webhooks/own")
        await _ready(server.url)
        yield server


@contextlib.asynccontextmanager
async def _child(*words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    child = await asyncio.create_subprocess_exec(
        sys.executable, *words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        yield child
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(signal.SIGTERM)
        await child.wait()


async def _ready(url: str) -> None:
    async with asyncio.timeout(20), httpx.AsyncClient() as client:
        while True:
            with contextlib.suppress(httpx.TransportError):
                if (await client.get(f"{url}/readyz")).status_code == httpx.codes.OK:
                    return
            await asyncio.sleep(0.05)
