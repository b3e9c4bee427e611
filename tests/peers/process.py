"""Child processes that never outlive the runner, and private ports."""

import asyncio
import ctypes
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)
POLL = 0.05
UNAVAILABLE = 69  # EX_UNAVAILABLE of sysexits.h
# Mounts, shared memory and processes of what runs in it are gone, without a sweep, the moment its first process is.
NAMESPACE = ("unshare", "--mount", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc", "--")


class Unavailable(Exception):
    """A peer cannot be had here; the message is the reason, one sentence."""


class Child:
    """A daemon of this run: its own session, a log file, and the signal that ends it well."""

    def __init__(self, child: asyncio.subprocess.Process, log: Path, ending: signal.Signals) -> None:
        self.child = child
        self.log = log
        self.ending = ending

    @property
    def ended(self) -> bool:
        return self.child.returncode is not None

    def tail(self, lines: int = 5) -> str:
        text = self.log.read_text(errors="replace").strip() if self.log.exists() else ""
        return " | ".join(text.splitlines()[-lines:]) or "it wrote nothing"

    async def stop(self, grace: float = 10) -> None:
        """Ask, wait ``grace`` seconds, then kill the whole session."""
        try:
            if not self.ended:
                os.kill(self._inner(), self.ending)
                await asyncio.wait_for(self.child.wait(), grace)
        except (TimeoutError, ProcessLookupError):
            pass
        finally:
            self._kill()
            await self.child.wait()

    def _inner(self) -> int:
        # unshare ignores the signals that its only child should get.
        children = Path(f"/proc/{self.child.pid}/task/{self.child.pid}/children")
        isolated = Path(f"/proc/{self.child.pid}/comm").read_text().strip() == "unshare"
        inner = children.read_text().split() if isolated else []
        return int(inner[0]) if inner else self.child.pid

    def _kill(self) -> None:
        try:
            os.killpg(self.child.pid, signal.SIGKILL)
        except ProcessLookupError:
            return


async def start(
    stack: AsyncExitStack,
    argv: Sequence[str | Path],
    log: Path,
    *,
    env: Mapping[str, str] | None = None,
    ending: signal.Signals = signal.SIGTERM,
    on_death: signal.Signals = signal.SIGKILL,
) -> Child:
    """Start a daemon that ``stack`` stops; ``on_death`` is what it gets when the runner is killed."""
    with log.open("ab") as sink:
        child = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            env=env,
            start_new_session=True,
            preexec_fn=die_with_parent(on_death),
        )
    daemon = Child(child, log, ending)
    stack.push_async_callback(daemon.stop)
    return daemon


def die_with_parent(number: signal.Signals) -> Callable[[], None]:
    """For ``preexec_fn``: the kernel sends ``number`` when the thread that started us is gone."""
    parent = os.getpid()

    def prepare() -> None:
        LIBC.prctl(PR_SET_PDEATHSIG, int(number))
        if os.getppid() != parent:
            os._exit(1)

    return prepare


async def capture(
    *argv: str | Path,
    env: Mapping[str, str] | None = None,
    stdin: Path | None = None,
    seconds: float = 60,
) -> str:
    """What a command printed. A failure or a time-out is an ``Unavailable`` with the end of its output."""
    with (stdin or Path(os.devnull)).open("rb") as source:
        child = await asyncio.create_subprocess_exec(
            *argv,
            stdin=source,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=env,
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGKILL),
        )
    try:
        out, err = await asyncio.wait_for(child.communicate(), seconds)
    except TimeoutError:
        raise Unavailable(f"{_spoken(argv)} did not end within {seconds:.0f} s") from None
    finally:
        if child.returncode is None:
            os.killpg(child.pid, signal.SIGKILL)
            await child.wait()
    if child.returncode:
        said = " | ".join((err or out).decode(errors="replace").strip().splitlines()[-5:])
        raise Unavailable(f"{_spoken(argv)} failed: {said or f'exit code {child.returncode}'}")
    return out.decode(errors="replace")


def _spoken(argv: Sequence[str | Path]) -> str:
    words = [Path(argv[0]).name, *(str(word) for word in argv[1:])]
    return " ".join(words)[:120]


async def together(*parts: Coroutine[None, None, object]) -> list[Any]:
    """All results in order. The first failure ends the others, and is raised once they have ended."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(part) for part in parts]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


async def until(ready: Callable[[], Awaitable[bool]], daemon: Child, seconds: float = 30) -> None:
    """Ask ``ready`` again and again until it says yes; a daemon that ended or is late is ``Unavailable``."""
    name = daemon.log.stem
    deadline = time.monotonic() + seconds
    while not await ready():
        if daemon.ended:
            raise Unavailable(f"{name} ended at once: {daemon.tail()}")
        if time.monotonic() > deadline:
            raise Unavailable(f"{name} did not answer within {seconds:.0f} s: {daemon.tail()}")
        await asyncio.sleep(POLL)


async def answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


_WORKERS = 16
_given: set[int] = set()


def free_port() -> int:
    """A port outside the kernel's own range, so that no outgoing connection takes it before its owner does.

    Never the same one twice, nor one of another test worker: its owner may be away for a while.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw15").removeprefix("gw")) % _WORKERS
    for port in random.sample(range(20000 + worker, 32000, _WORKERS), 200):
        with socket.socket() as probe:
            try:
                probe.bind(("", port))
            except OSError:
                continue
            if port not in _given:
                _given.add(port)
                return port
    raise Unavailable("no free port between 20000 and 32000")


def say(text: str) -> None:
    sys.stderr.write(f"peers: {text}\n")
    sys.stderr.flush()
