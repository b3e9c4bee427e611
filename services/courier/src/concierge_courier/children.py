"""Child processes: started, reaped, and as PID 1 also those that nobody else waits for."""

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, TypeVar

from concierge_proto import errors

_NOT_FOUND, _NOT_EXECUTABLE = 127, 126
_PYTHONS_OWN = (signal.SIGPIPE, signal.SIGXFSZ)
"""Python ignores them; a child would inherit that."""


_NOWHERE = (
    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
    (os.POSIX_SPAWN_DUP2, 1, 2),
)
_SIGNALLED = 128
_LOOK = 0.05
"""Seconds until the reaper looks again, when it met a process that somebody else waits for."""
_elsewhere: set[int] = set()
_starting = threading.Lock()


class NotStarted(errors.Permanent):
    """A command that can't be started."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code
        """As a shell would exit: 127 not found, 126 not executable."""


class Children:
    """Use inside `reaping()`: it owns SIGCHLD, so that one place alone waits for processes."""

    def __init__(self, *, orphans: bool) -> None:
        self._orphans = orphans
        self._waited: dict[int, asyncio.Future[int]] = {}

    @contextmanager
    def reaping(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGCHLD, self._reap)
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGCHLD)

    def start(self, command: Sequence[str], *, quiet: bool = False) -> int:
        """Start a command in a process group of its own and return its pid; raise NotStarted.

        `quiet`: what it prints is dropped, and nothing is there for it to read.
        """
        try:
            pid = os.posix_spawnp(
                command[0],
                list(command),
                os.environ,
                setpgroup=0,
                setsigdef=_PYTHONS_OWN,
                file_actions=_NOWHERE if quiet else (),
            )
        except FileNotFoundError as error:
            raise NotStarted(f"{command[0]}: command not found", _NOT_FOUND) from error
        except OSError as error:
            raise NotStarted(
                f"{command[0]}: cannot be executed: {error.strerror}", _NOT_EXECUTABLE
            ) from error
        self._waited[pid] = asyncio.get_running_loop().create_future()
        return pid

    async def ended(self, pid: int) -> int:
        """Return the exit code of a started child, negative for a signal."""
        code = await asyncio.shield(self._waited[pid])
        self._forget(pid)
        return code

    async def run(self, command: Sequence[str], patience: float, *, quiet: bool = False) -> int:
        """Run a command to its end and return its exit code, negative for a signal.

        Raises NotStarted, and TimeoutError when its time is over: then, and when this is cancelled, it is
        killed with its group.
        """
        pid = self.start(command, quiet=quiet)
        try:
            async with asyncio.timeout(patience):
                return await self.ended(pid)
        except BaseException:
            kill(pid, signal.SIGKILL, group=True)
            self._waited[pid].add_done_callback(lambda _: self._forget(pid))
            raise

    def _forget(self, pid: int) -> None:
        self._waited.pop(pid, None)

    def _reap(self) -> None:
        while self._orphans and self._reap_orphan():
            pass
        for pid, future in list(self._waited.items()):
            if not future.done():
                self._reap_one(pid)

    def _reap_orphan(self) -> bool:
        """Reap one process that has ended, if there is one; what somebody else waits for is left to them."""
        with _starting, contextlib.suppress(ChildProcessError):
            seen = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if seen is None:
                return False
            if seen.si_pid not in _elsewhere:
                return self._reap_one(seen.si_pid)
            asyncio.get_running_loop().call_later(_LOOK, self._reap)
        return False

    def _reap_one(self, pid: int) -> bool:
        try:
            found, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            return False
        future = self._waited.get(found)
        if future and not future.done():
            future.set_result(os.waitstatus_to_exitcode(status))
        return found != 0


class _Process(Protocol):
    pid: int


P = TypeVar("P", bound=_Process)


@contextmanager
def elsewhere(start: Callable[[], P]) -> Iterator[P]:
    """Give a process that the caller waits for: the reaper leaves it alone while the context is open."""
    with _starting:
        process = start()
        _elsewhere.add(process.pid)
    try:
        yield process
    finally:
        with _starting:
            _elsewhere.discard(process.pid)


def kill(pid: int, number: signal.Signals, *, group: bool = False) -> None:
    """Send a signal to a child, or to its whole group; one that has ended hears nothing."""
    with contextlib.suppress(ProcessLookupError):
        (os.killpg if group else os.kill)(pid, number)


def exit_code(code: int) -> int:
    """Return the code as a shell says it: 128 + n for a signal."""
    return code if code >= 0 else _SIGNALLED - code


def told(code: int) -> str:
    """Return how it ended, in words."""
    return f"exited with {code}" if code >= 0 else f"was ended by {name(-code)}"


def name(number: int) -> str:
    """Return the name of a signal."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
