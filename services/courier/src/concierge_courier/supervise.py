"""The application as the courier's child: it hears the signals, and its end is ours.

start ──▶ running ──ends by itself──────────────────────▶ ended: exited | signal NAME | oom
   ▲         │ SIGTERM                                       │   ▲
   │         ▼                                               │   │
   │      stopping ──ends in time──▶ ended: stopped          │   │
   │         └──grace is over, SIGKILL to its group──▶ ended: killed
   └──a pause, when the policy says so, and nobody told us to stop
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from concierge_courier import children, oom, terminal

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
_KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)
"""As the process itself was, or a shell says it of its child."""


class End(NamedTuple):
    """How it ended."""

    reason: str
    """`exited`, `stopped` (as it was told to), `killed` (it ignored that), `oom`, `signal SIGSEGV`."""
    exit_code: int | None
    """Of the application, 128 + n for a signal; None when there is none of ours."""

    @property
    def code(self) -> int:
        """What the courier exits with."""
        return self.exit_code or 0


class House:
    """Everything that runs under the courier, and what it hears from outside."""

    def __init__(self, grace: float) -> None:
        self.family = children.Children(orphans=os.getpid() == 1 or hasattr(sys, "frozen"))
        self.told = asyncio.Event()
        """Set when somebody wants us to end."""
        self._grace = grace
        self._until = 0.0
        self._pid = 0

    @property
    def pid(self) -> int:
        """The child that hears the signals; 0: none at the moment."""
        return self._pid

    @property
    def left(self) -> float:
        """Seconds of the grace period; all of it until it has begun."""
        return max(0.0, self._until - time.monotonic()) if self.told.is_set() else self._grace

    def hear(self, number: signal.Signals) -> None:
        """Pass a signal on to the child alone: what it does with its own children is its affair."""
        if self._pid:
            children.kill(self._pid, number)
        if not self.told.is_set() and (number == signal.SIGTERM or (number in _ENDING and not self._pid)):
            self._until = time.monotonic() + self._grace
            self.told.set()

    async def run(self, command: Sequence[str], started: Callable[[], None]) -> End:
        """Start the application and return how it ended; raise NotStarted. `started` is called when it has."""
        kills = oom.Kills()
        pid = self.family.start(command)
        with terminal.handed_to(pid):
            started()
            code, too_late = await self._ended(pid)
        return End(self._reason(code, kills, too_late=too_late), children.exit_code(code))

    async def prepare(self, command: Sequence[str], patience: float) -> End:
        """Run what comes before the application; as `Children.run`, but it hears the signals."""
        pid = self.family.start(command)
        try:
            with terminal.handed_to(pid):
                async with asyncio.timeout(patience):
                    code, too_late = await self._ended(pid)
        except TimeoutError:
            children.kill(pid, signal.SIGKILL, group=True)
            raise
        if self.told.is_set():
            return End("killed" if too_late else "stopped", children.exit_code(code))
        return End(children.told(code), children.exit_code(code))

    async def _ended(self, pid: int) -> tuple[int, bool]:
        """Let a child hear the signals until it ends; return its code, and whether it had to be killed."""
        self._pid = pid
        killer = asyncio.create_task(self._kill_late(pid))
        try:
            code = await self.family.ended(pid)
            return code, killer.done()
        finally:
            self._pid = 0
            killer.cancel()

    async def wait(self, seconds: float) -> bool:
        """Wait, but not into the end; return whether it has come."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.told.wait()
        return self.told.is_set()

    async def _kill_late(self, pid: int) -> None:
        await self.told.wait()
        await asyncio.sleep(self.left)
        log.warning("still running %g s after SIGTERM: killing it", self._grace)
        children.kill(pid, signal.SIGKILL, group=True)

    def _reason(self, code: int, kills: oom.Kills, *, too_late: bool) -> str:
        if too_late:
            return "killed"
        if code in _KILLED and kills.more():
            return "oom"
        if self.told.is_set():
            return "stopped"
        return "exited" if code >= 0 else f"signal {children.name(-code)}"


@contextlib.contextmanager
def house(grace: float) -> Iterator[House]:
    """Signals and children are ours while the context is open. `grace`: seconds between SIGTERM and SIGKILL."""
    made = House(grace)
    with made.family.reaping(), _signals(made.hear):
        yield made


@contextlib.contextmanager
def _signals(handle: Callable[[signal.Signals], None]) -> Iterator[None]:
    """Handle what is to be passed on; what was ignored at the start (nohup) stays ignored, as in any program."""
    loop = asyncio.get_running_loop()
    caught = [number for number in PASSED_ON if signal.getsignal(number) is not signal.SIG_IGN]
    for number in caught:
        loop.add_signal_handler(number, handle, number)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, caught)  # as process 1 we held one back until now
    try:
        yield
    finally:
        for number in caught:
            loop.remove_signal_handler(number)
