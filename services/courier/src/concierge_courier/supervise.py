"""The application as the courier's child: it hears the signals, and its end is ours.

start ──▶ running ──ends by itself──────────────────────▶ ended: exited | signal NAME
             │ SIGTERM                                       ▲
             ▼                                               │
          stopping ──ends in time──▶ ended: stopped          │
             └──grace is over, SIGKILL to its group──▶ ended: killed
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

from concierge_courier import children

log = logging.getLogger(__name__)

PASSED_ON = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
)
_ENDING = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT}
_SIGNALLED = 128


class End(NamedTuple):
    """How it ended."""

    reason: str
    """`exited`, `stopped` (as it was told to), `killed` (it ignored that), `signal SIGSEGV`."""
    exit_code: int | None
    """Of the application, 128 + n for a signal; None when there is none of ours."""

    @property
    def code(self) -> int:
        """What the courier exits with."""
        return self.exit_code or 0


class Watched(Protocol):
    """Something whose end is the end of the courier."""

    async def ended(self) -> End: ...


@contextlib.contextmanager
def application(command: Sequence[str], grace: float) -> Iterator[Watched]:
    """Start the command; without one, watch for a signal to stop. Signals are ours while the context is open.

    Args:
        command: Program and arguments; may be empty.
        grace: Seconds between SIGTERM and SIGKILL.

    Raises:
        NotStarted: The command can't be started.
    """
    family = children.Children(orphans=os.getpid() == 1)
    watched = _Child(family, grace) if command else _Nobody()
    with family.reaping(), _signals(watched.signalled):
        if isinstance(watched, _Child):
            watched.start(command)
        with _terminal(watched.pid):
            yield watched


class _Child:
    def __init__(self, family: children.Children, grace: float) -> None:
        self.pid = 0
        self._family = family
        self._grace = grace
        self._told = asyncio.Event()
        self._killed = False

    def start(self, command: Sequence[str]) -> None:
        self.pid = self._family.start(command)

    def signalled(self, number: signal.Signals) -> None:
        """Pass it on to the child alone: what it does with its own children is its affair."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)
        if number == signal.SIGTERM:
            self._told.set()

    async def ended(self) -> End:
        killer = asyncio.create_task(self._kill_late())
        try:
            code = await self._family.ended(self.pid)
        finally:
            killer.cancel()
        return self._end(code)

    async def _kill_late(self) -> None:
        await self._told.wait()
        await asyncio.sleep(self._grace)
        log.warning("still running %g s after SIGTERM: killing it", self._grace)
        self._killed = True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def _end(self, code: int) -> End:
        exit_code = code if code >= 0 else _SIGNALLED - code
        if self._killed:
            return End("killed", exit_code)
        if self._told.is_set():
            return End("stopped", exit_code)
        return End("exited" if code >= 0 else f"signal {_name(-code)}", exit_code)


class _Nobody:
    """The application is somebody else's: the courier runs beside it until it is told to stop."""

    pid = 0

    def __init__(self) -> None:
        self._told = asyncio.Event()

    def signalled(self, number: signal.Signals) -> None:
        if number in _ENDING:
            self._told.set()

    async def ended(self) -> End:
        await self._told.wait()
        return End("stopped", None)


@contextlib.contextmanager
def _signals(handle: Callable[[signal.Signals], None]) -> Iterator[None]:
    """Handle what is to be passed on; what was ignored at the start (nohup) stays ignored, as in any program."""
    loop = asyncio.get_running_loop()
    caught = [number for number in PASSED_ON if signal.getsignal(number) is not signal.SIG_IGN]
    for number in caught:
        loop.add_signal_handler(number, handle, number)
    try:
        yield
    finally:
        for number in caught:
            loop.remove_signal_handler(number)


@contextlib.contextmanager
def _terminal(pid: int) -> Iterator[None]:
    """Hand a terminal over to the child's group: Ctrl-C then reaches it once, from the terminal, and not us."""
    if not pid or not _in_foreground():
        yield
        return
    ignored = signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # a group in the background may not hand over
    try:
        _give(pid)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGCONT)  # it may have asked for the terminal before it had it
        yield
    finally:
        _give(os.getpgrp())
        signal.signal(signal.SIGTTOU, ignored)


def _in_foreground() -> bool:
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return False


def _give(group: int) -> None:
    with contextlib.suppress(OSError):
        os.tcsetpgrp(sys.stdin.fileno(), group)


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
