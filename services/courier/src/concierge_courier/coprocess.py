"""What runs beside the application: started again when it ends, ended after the application."""

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import AsyncIterator, Callable, Sequence

from concierge_courier import again, children

log = logging.getLogger(__name__)

_LEAST = 0.5
"""Seconds that it has to end, however little is left."""


@contextlib.asynccontextmanager
async def beside(
    family: children.Children,
    commands: Sequence[Sequence[str]],
    policy: again.Policy,
    left: Callable[[], float],
) -> AsyncIterator[None]:
    """Run them while the context is open, then tell them to end. `left`: seconds until they are killed."""
    tasks = [asyncio.create_task(_attend(family, command, policy, left)) for command in commands]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _attend(
    family: children.Children, command: Sequence[str], policy: again.Policy, left: Callable[[], float]
) -> None:
    ends = again.Ends(policy)
    while True:
        begun = time.monotonic()
        try:
            code = await _live(family, command, left)
        except children.NotStarted as error:
            code, words = error.code, str(error)
        else:
            words = f"{command[0]} {children.told(code)}"
        pause = ends.after(children.exit_code(code), time.monotonic() - begun)
        if pause is None:
            log.warning("coprocess: %s, and is not started again", words)
            return
        log.warning("coprocess: %s, started again in %g s", words, pause)
        await asyncio.sleep(pause)


async def _live(family: children.Children, command: Sequence[str], left: Callable[[], float]) -> int:
    pid = family.start(command)
    try:
        return await family.ended(pid)
    except asyncio.CancelledError:
        children.kill(pid, signal.SIGTERM, group=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(_LEAST, left())):
                await family.ended(pid)
        children.kill(pid, signal.SIGKILL, group=True)
        raise
