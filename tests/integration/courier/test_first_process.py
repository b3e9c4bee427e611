"""As process 1 of a container: here a new PID namespace, where nobody else reaps and signals have no default."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.courier import scene

UNSHARE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")

LEAVE_ORPHANS = """
for number in 1 2 3 4 5; do sh -c 'sleep 0.1 & exec true'; done
sleep 0.5
exec grep -l 'State:.Z' /proc/[0-9]*/status
"""


@pytest.fixture(autouse=True)
def allowed() -> None:
    """Namespaces need root here; a hardened machine may forbid them."""
    if not shutil.which("unshare") or subprocess.run([*UNSHARE, "true"], check=False, stderr=-3).returncode:
        reason = "no PID namespace may be made here: run as root, outside a restricted container"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


async def test_orphans_are_reaped(nats_url: str) -> None:
    words = ("run", "--service", "web", "--nats", nats_url, "--", "sh", "-c", LEAVE_ORPHANS)
    async with scene.courier(*words, under=UNSHARE) as courier:
        assert await courier.printed() == ""  # a zombie would be listed
        assert await courier.ended() == 1  # grep found none


async def test_sigterm_reaches_the_application(nats_url: str, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    script = f"trap 'exit 3' TERM; echo $PPID > {ready}; while :; do sleep 0.05; done"
    words = ("run", "--service", "web", "--nats", nats_url, "--grace", "1s", "--", "sh", "-c", script)
    async with scene.courier(*words, under=UNSHARE) as courier:
        async with asyncio.timeout(10):
            while not (ready.exists() and ready.read_text()):
                await asyncio.sleep(0.01)
        assert ready.read_text() == "1\n"
        os.kill(child_of(courier.pid), signal.SIGTERM)
        assert await courier.ended() == 3


EARLY = (
    "import os, signal; from concierge_courier import __main__; os.kill(1, signal.SIGTERM); __main__.main()"
)


async def test_sigterm_is_heard_however_early_it_comes() -> None:
    """`docker stop` behind `docker start`: process 1 has no default, and the application would be killed."""
    words = ("run", "--service", "web", "--nats", "nats://127.0.0.1:1", "--grace", "1s")
    process = await asyncio.create_subprocess_exec(
        *UNSHARE, sys.executable, "-c", EARLY, *words, "--", "sh", "-c", "sleep 60; exit 9"
    )
    async with asyncio.timeout(40):
        assert await process.wait() in {0, 128 + signal.SIGTERM}  # never started, or ended at once


def child_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
