"""The stages of an instance: what comes before the application, it itself as often as it shall start, and after.

pre-start ─▶ coprocesses ─▶ application ─▶ last words ─▶ post-stop ─▶ coprocesses end
    │                        ▲   │ ends, and shall start again
    └─▶ last words           └───┘
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

from concierge_courier import again, children, coprocess, health, heartbeat, options, supervise

log = logging.getLogger(__name__)

_TIMED_OUT = 124
"""As timeout(1) exits."""


class Speaker(Protocol):
    """Who tells others."""

    life: heartbeat.Life

    def start(self) -> None:
        """The application runs."""

    def rest(self, end: supervise.End, pause: float) -> None:
        """It has ended, and starts again after so many seconds."""

    def end(self, end: supervise.End) -> None:
        """It has ended, and that is all."""


async def through(chosen: options.Options, house: supervise.House, speaker: Speaker) -> supervise.End:
    """Live through all of them and return how the application ended.

    Raises NotStarted, and Permanent for a health check that can't be; in both cases nothing has been told.
    """
    watch = _watch(chosen, house, speaker.life)
    end = await _before(chosen, house)
    if end:
        speaker.end(end)
        return end
    beside = coprocess.beside(house.family, chosen.coprocesses, chosen.coprocess_restarts, lambda: house.left)
    async with beside:
        async with _beside(watch):
            end = await _application(chosen, house, speaker)
        speaker.end(end)
        await _after(chosen, house)
    return end


async def _before(chosen: options.Options, house: supervise.House) -> supervise.End | None:
    """Return the end when the application is not to be started."""
    if house.told.is_set():  # too early to be passed on
        return supervise.End("stopped", None)
    if not chosen.pre_start:
        return None
    try:
        end = await house.prepare(chosen.pre_start, chosen.pre_start_timeout)
    except TimeoutError:
        return _failed(f"no end within {chosen.pre_start_timeout:g} s", _TIMED_OUT)
    except children.NotStarted as error:
        return _failed(str(error), error.code)
    if house.told.is_set():
        return end
    return _failed(end.reason, end.code) if end.code else None


def _failed(words: str, code: int) -> supervise.End:
    log.warning("pre-start: %s; the application is not started", words)
    return supervise.End(f"pre-start: {words}", code)


async def _application(chosen: options.Options, house: supervise.House, speaker: Speaker) -> supervise.End:
    if not chosen.command:
        speaker.start()
        await house.told.wait()
        return supervise.End("stopped", None)
    ends = again.Ends(chosen.restarts)
    while True:
        begun = time.monotonic()
        try:
            end = await house.run(chosen.command, speaker.start)
        except children.NotStarted as error:
            if not ends.total:
                raise
            end = supervise.End(f"not started: {error}", error.code)
        pause = None if house.told.is_set() else ends.after(end.code, time.monotonic() - begun)
        if pause is None:
            return end
        log.warning("the application has ended (%s, %d): started again in %g s", *end, pause)
        speaker.rest(end, pause)
        if await house.wait(pause):
            return supervise.End("stopped", end.exit_code)


def _watch(
    chosen: options.Options, house: supervise.House, life: heartbeat.Life
) -> Callable[[], Awaitable[None]]:
    """Return what judges the application's health for ever."""
    rules = health.Rules(chosen.health, chosen.health_interval, chosen.health_timeout, chosen.health_retries)
    check = health.check(rules, house.family) if rules.check else None

    async def watch() -> None:
        if check:
            await health.watch(rules, check, life)

    return watch


@contextlib.asynccontextmanager
async def _beside(work: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    async def enduring() -> None:
        try:
            await work()
        except Exception:
            log.exception("unexpected; health is not judged any more")

    task = asyncio.create_task(enduring())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _after(chosen: options.Options, house: supervise.House) -> None:
    if not chosen.post_stop:
        return
    try:
        code = await house.family.run(chosen.post_stop, chosen.post_stop_timeout)
    except TimeoutError:
        log.warning("post-stop: no end within %g s: killed", chosen.post_stop_timeout)
    except children.NotStarted as error:
        log.warning("post-stop: %s", error)
    else:
        if code:
            log.warning("post-stop: %s", children.told(code))
