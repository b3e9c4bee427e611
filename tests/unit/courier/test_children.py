"""Processes of our own, processes of others, and processes of nobody."""

import asyncio
import ctypes
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from concierge_courier import children

_BECOME_REAPER = 36
STORM = "i=0; while [ $i -lt 200 ]; do (sleep 0.01 &) ; i=$((i+1)); done"


@pytest.fixture
def reaper() -> Iterator[None]:
    """Inherit the orphans of this test, as process 1 does."""
    libc = ctypes.CDLL(None)
    assert libc.prctl(_BECOME_REAPER, 1, 0, 0, 0) == 0
    yield
    libc.prctl(_BECOME_REAPER, 0, 0, 0, 0)


def mine() -> int:
    """Return how many children this process has, the dead ones too."""
    me = os.getpid()
    return len(Path(f"/proc/{me}/task/{me}/children").read_text().split())


@pytest.mark.usefixtures("reaper")
async def test_a_storm_of_orphans_leaves_no_zombie() -> None:
    before = mine()
    family = children.Children(orphans=True)
    with family.reaping():
        assert await family.run(["sh", "-c", STORM], 10) == 0
        async with asyncio.timeout(10):
            while mine() > before:
                await asyncio.sleep(0.02)


@pytest.mark.usefixtures("reaper")
async def test_in_a_storm_others_still_get_their_exit_codes() -> None:
    """A source that starts a command waits for it itself, in a thread."""

    def code() -> int:
        with children.elsewhere(lambda: subprocess.Popen(["sh", "-c", "sleep 0.02; exit 7"])) as process:
            time.sleep(0.1)  # dead, and not yet waited for
            return process.wait()

    family = children.Children(orphans=True)
    with family.reaping():
        storm = asyncio.create_task(family.run(["sh", "-c", STORM], 10))
        codes = await asyncio.gather(*(asyncio.to_thread(code) for _ in range(4)))
        assert await storm == 0
    assert codes == [7, 7, 7, 7]


async def test_one_that_takes_too_long_is_killed_with_its_group(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    family = children.Children(orphans=False)
    with family.reaping():
        with pytest.raises(TimeoutError):
            await family.run(["sh", "-c", f"sleep 60 & echo $! > {pid}; wait"], 0.3)
        async with asyncio.timeout(10):
            while family._waited:  # nothing is kept of it
                await asyncio.sleep(0.01)
    status = Path(f"/proc/{pid.read_text().strip()}/status")
    assert not status.exists() or "State:\tZ" in status.read_text()


async def test_a_quiet_one_prints_nothing_and_reads_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    family = children.Children(orphans=False)
    with family.reaping():
        assert await family.run(["sh", "-c", "echo out; echo err >&2; read x"], 10, quiet=True) == 1
        assert await family.run(["sh", "-c", "echo loud"], 10) == 0
    assert capfd.readouterr() == ("loud\n", "")


@pytest.mark.parametrize(("code", "words"), [(3, "exited with 3"), (-9, "was ended by SIGKILL")])
def test_in_words(code: int, words: str) -> None:
    assert children.told(code) == words
    assert children.exit_code(code) == (code if code > 0 else 137)
