"""`control`: a webhook until it is stored, a command until Docker's child starts, a thousand services at rest.

REPEATS=100 commands; REST=35 seconds of rest, twice. Parts by name: `PARTS=webhook,start,idle`.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import report
from benchmarks.control_lab import idle, start, webhook

PARTS = {"webhook": webhook.measure, "start": start.measure, "idle": idle.measure}


def measure() -> int:
    """Print the rows and keep them; return 0 if all hold."""
    names = os.environ.get("PARTS", ",".join(PARTS)).split(",")
    if "start" in names and "PEER_DOCKER_HOST" not in os.environ:
        own = [sys.executable, "-m", "benchmarks", "control"]
        return subprocess.run(
            [sys.executable, "-m", "tests.peers", "run", "docker", "--require", "--", *own], check=False
        ).returncode
    return report.finish("control", asyncio.run(_measure(names)))


async def _measure(names: list[str]) -> list[report.Row]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        return [row for name in names for row in await PARTS[name](Path(folder) / name)]
