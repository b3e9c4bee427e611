"""Child processes: started, reaped, and as PID 1 also those that nobody else waits for."""

import asyncio
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from concierge_proto import errors

_NOT_FOUND, _NOT_EXECUTABLE = 127, 126
_PYTHONS_OWN = (signal.SIGPIPE, signal.SIGXFSZ)
"""Python ignores them; a child would inherit that."""


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

    def start(self, command: Sequence[str]) -> int:
        """Start a command in a process group of its own and return its pid; raise NotStarted."""
        try:
            pid = os.posix_spawnp(command[0], list(command), os.environ, setpgroup=0, setsigdef=_PYTHONS_OWN)
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
        return await self._waited[pid]

    def _reap(self) -> None:
        while self._orphans and self._reap_one(-1):
            pass
        for pid, future in list(self._waited.items()):
            if not future.done():
                self._reap_one(pid)

    def _reap_one(self, pid: int) -> bool:
        try:
            found, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            return False
        future = self._waited.get(found)
        if future and not future.done():
            future.set_result(os.waitstatus_to_exitcode(status))
        return found != 0
