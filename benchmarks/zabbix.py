"""`zabbix`: how fast values get into Zabbix, and how fast Zabbix's word becomes a container.

REPEATS=100 turns of the loop on 7.0, a tenth of them on 6.0; TURNS=7 of the forwarder.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import report
from benchmarks.lab import house, monitoring
from benchmarks.zabbix_lab import forward, react

PEERS = ("docker", "zabbix", "zabbix60")
TOKEN = "CONCIERGE_MONITORING__ZABBIX__API_TOKEN_FILE"  # noqa: S105 - the name of a file's name
"""With an API the forwarder asks it which items there are, as it does for a user."""


def measure() -> int:
    """Print the rows and keep them; return 0 if all hold."""
    if "PEER_ZABBIX60_TRAPPER" not in os.environ:
        own = [sys.executable, "-m", "benchmarks", "zabbix"]
        return subprocess.run(
            [sys.executable, "-m", "tests.peers", "run", *PEERS, "--require", "--", *own], check=False
        ).returncode
    return report.finish("zabbix", asyncio.run(_measure()))


async def _measure() -> list[report.Row]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        room = Path(folder)
        return [*await _react(room), *await _forward(room)]


async def _forward(room: Path) -> list[report.Row]:
    os.environ[TOKEN] = str(room / "token")
    async with house.opened(room) as at, monitoring.prepared(at.config) as door, house.forwarding(room):
        lane = forward.Lane(at.link, room)
        await lane.discover(door)
        await lane.settle()
        return await forward.measure(lane)


async def _react(room: Path) -> list[report.Row]:
    seven = await react.measure(room / "seven", "zabbix", react.REPEATS)
    six = await react.measure(room / "six", "zabbix60", max(1, react.REPEATS // react.FEWER))
    return react.rows(seven, six)
