"""The application as a child: real processes, real signals."""

import asyncio
import contextlib
import os
import pty
import signal
import sys
import termios
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from concierge_courier import children, supervise

GRACE = 0.3

TRAP = """
import pathlib, signal, sys, time
log = pathlib.Path(sys.argv[1])
def note(number, frame):
    with log.open("a") as file:
        file.write(signal.Signals(number).name + "\\n")
    if number == signal.SIGTERM:
        sys.exit(int(sys.argv[2]))
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2):
    signal.signal(number, note)
log.write_text("ready\\n")
while True:  # pause() would miss what came just before it
    time.sleep(0.02)
"""


def trap(log: Path, code: int = 0) -> list[str]:
    """A child that notes each signal, and exits with `code` on SIGTERM."""
    return [sys.executable, "-c", TRAP, str(log), str(code)]


async def eventually(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


async def until(log: Path, text: str) -> list[str]:
    """Wait for a line of the child's, and return all of them."""
    await eventually(lambda: text in words(log))
    return words(log)


def words(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


class Running:
    """An application that has been started."""

    def __init__(self, task: "asyncio.Task[supervise.End]") -> None:
        self._task = task

    async def ended(self) -> supervise.End:
        return await self._task


@contextlib.asynccontextmanager
async def started(command: Sequence[str], grace: float) -> AsyncIterator[Running]:
    with supervise.house(grace) as house:
        begun = asyncio.Event()
        task = asyncio.create_task(house.run(command, begun.set))
        await asyncio.wait({task, asyncio.ensure_future(begun.wait())}, return_when="FIRST_COMPLETED")
        try:
            yield Running(task)
        finally:
            if house.pid:  # the test has failed
                children.kill(house.pid, signal.SIGKILL, group=True)


async def live(command: Sequence[str]) -> supervise.End:
    async with started(command, GRACE) as running:
        return await asyncio.wait_for(running.ended(), 10)


@pytest.mark.parametrize(
    ("script", "end"),
    [
        ("exit 0", supervise.End("exited", 0)),
        ("exit 7", supervise.End("exited", 7)),
        ("kill -SEGV $$", supervise.End("signal SIGSEGV", 128 + 11)),
        ("kill -KILL $$", supervise.End("signal SIGKILL", 128 + 9)),
    ],
)
async def test_the_end_is_the_childs(script: str, end: supervise.End) -> None:
    found = await live(["sh", "-c", script])
    assert found == end
    assert found.code == end.exit_code


async def test_a_child_that_ends_at_once_is_not_missed() -> None:
    for _ in range(20):
        assert await live(["true"]) == supervise.End("exited", 0)


@pytest.mark.parametrize(("name", "code", "words"), [("no-such-program", 127, "command not found")])
async def test_not_found(name: str, code: int, words: str) -> None:
    with pytest.raises(children.NotStarted, match=f"{name}: {words}") as caught:
        await live([name])
    assert caught.value.code == code


@pytest.mark.parametrize("mode", [0o644, 0o755])
async def test_not_executable(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "data"
    path.write_bytes(b"\x00\x01 no program")
    path.chmod(mode)
    with pytest.raises(children.NotStarted, match="cannot be executed") as caught:
        await live([str(path)])
    assert caught.value.code == 126


async def test_signals_are_passed_on_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with started(trap(log, 5), 10) as running:
        await until(log, "ready")
        for name in ("SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGTERM"):
            os.kill(os.getpid(), signal.Signals[name])
            seen = await until(log, name)
        end = await asyncio.wait_for(running.ended(), 10)
    assert seen == ["ready", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGTERM"]
    assert end == supervise.End("stopped", 5)


async def test_a_child_that_ignores_sigterm_is_killed_with_its_group(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"trap '' TERM; sleep 60 & echo $! > {pids}; while :; do sleep 60; done"
    async with started(["sh", "-c", script], GRACE) as running:
        await eventually(lambda: words(pids))
        told = time.monotonic()
        os.kill(os.getpid(), signal.SIGTERM)
        end = await asyncio.wait_for(running.ended(), 10)
    assert end == supervise.End("killed", 128 + 9)
    assert GRACE <= time.monotonic() - told < GRACE + 5
    await eventually(lambda: gone(int(pids.read_text())))


def gone(pid: int) -> bool:
    """Return whether a process is no more, or waits only to be reaped."""
    status = words(Path(f"/proc/{pid}/status"))
    return not status or status[status.index("State:") + 1] == "Z"


async def test_one_that_stops_in_time_is_not_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with started(trap(log), 10) as running:
        await until(log, "ready")
        os.kill(os.getpid(), signal.SIGTERM)
        assert await asyncio.wait_for(running.ended(), 5) == supervise.End("stopped", 0)


async def test_sigint_alone_starts_no_countdown(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with started(trap(log), 0.05) as running:
        await until(log, "ready")
        os.kill(os.getpid(), signal.SIGINT)
        await until(log, "SIGINT")
        ended = asyncio.ensure_future(running.ended())
        await asyncio.sleep(0.3)  # six times the grace
        assert not ended.done()
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(ended, 5)


async def test_what_was_ignored_at_the_start_stays_ignored(tmp_path: Path) -> None:
    log = tmp_path / "log"
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        async with started(["sh", "-c", f"sleep 0.2; echo $? > {log}"], GRACE) as running:
            os.kill(os.getpid(), signal.SIGHUP)
            end = await asyncio.wait_for(running.ended(), 5)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert end == supervise.End("exited", 0)


async def test_the_child_has_a_group_of_its_own_and_default_signals(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = (
        "import os, pathlib, signal; s = pathlib.Path('/proc/self/status').read_text();"
        f"pathlib.Path({str(log)!r}).write_text(str(os.getpgrp() == os.getpid()) + s)"
    )
    await live([sys.executable, "-c", code])
    text = log.read_text()
    assert text.startswith("True")
    ignored = int(text.partition("SigIgn:\t")[2].split()[0], 16)
    assert not ignored & 1 << (signal.SIGTERM - 1)


async def test_a_closed_pipe_ends_the_child_though_python_ignores_it() -> None:
    assert (await live(["sh", "-c", "kill -PIPE $$; exit 3"])).reason == "signal SIGPIPE"


async def test_between_two_processes_any_ending_signal_ends_it() -> None:
    with supervise.house(GRACE) as house:
        os.kill(os.getpid(), signal.SIGUSR1)
        assert not await house.wait(0.05)
        os.kill(os.getpid(), signal.SIGINT)
        assert await house.wait(5)
        assert 0 < house.left <= GRACE


async def test_signals_are_given_back() -> None:
    before = [signal.getsignal(number) for number in supervise.PASSED_ON]
    await live(["true"])
    after = [signal.getsignal(number) for number in supervise.PASSED_ON]
    assert after[0] == before[0] == signal.SIG_DFL
    assert len(after) == len(before)


ON_A_TERMINAL = """
import asyncio, sys
from concierge_courier import supervise
async def main():
    with supervise.house(5) as house:
        return (await house.run(sys.argv[1:], lambda: None)).code
sys.exit(asyncio.run(main()))
"""


def on_a_terminal(command: list[str]) -> tuple[int, int]:
    """Start a supervisor on a new terminal; return its pid and our end of it."""
    pid, terminal = pty.fork()
    if pid == 0:  # pragma: no cover - the child
        os.execv(sys.executable, [sys.executable, "-c", ON_A_TERMINAL, *command])  # noqa: S606 - the test's own list
    return pid, terminal


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # fork, and we have threads
async def test_ctrl_c_at_a_terminal_reaches_the_child_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    pid, terminal = on_a_terminal(trap(log, 3))
    await until(log, "ready")
    os.write(terminal, b"\x03")
    await until(log, "SIGINT")
    os.kill(pid, signal.SIGTERM)
    _, status = await asyncio.to_thread(os.waitpid, pid, 0)
    os.close(terminal)
    assert log.read_text().split() == ["ready", "SIGINT", "SIGTERM"]
    assert os.waitstatus_to_exitcode(status) == 3


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
async def test_the_child_can_read_the_terminal() -> None:
    pid, terminal = on_a_terminal(["sh", "-c", 'read line; test "$line" = hello'])
    settings = termios.tcgetattr(terminal)
    assert settings[3] & termios.ISIG
    os.write(terminal, b"hello\n")
    _, status = await asyncio.wait_for(asyncio.to_thread(os.waitpid, pid, 0), 10)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0
