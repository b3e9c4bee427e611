"""From the spool to the bus, one at a time and in order; the same id until the broker says it is stored."""

import asyncio
import contextlib
import logging
import random

from concierge_courier import spool, troubles
from concierge_proto import bus, errors

log = logging.getLogger(__name__)

_AWAY = 0.2
"""Seconds between two looks whether NATS is back, and between two tries near the end."""
_PATIENCE = 2.0
"""Seconds of one try."""
_FIRST, _LONGEST = 0.5, 30.0
"""Seconds of the first and the longest pause when NATS is there and does not take it."""


async def run(link: bus.Bus, waiting: spool.Spool) -> None:
    """Deliver until cancelled."""
    known: dict[str, troubles.Trouble] = {}  # a full stream says nothing about the others
    tries = 0
    while True:
        message = await waiting.take()
        trouble = known.setdefault(message.subject, troubles.Trouble(log, "delivery"))
        tries = 0 if await _deliver(link, waiting, message, trouble) else tries + 1
        if not link.connected:
            tries = 0
            await asyncio.sleep(_AWAY)
        elif tries:
            await _rest(waiting, pause(tries))


async def _deliver(
    link: bus.Bus, waiting: spool.Spool, message: bus.Message, trouble: troubles.Trouble
) -> bool:
    """Return False when it must be tried again."""
    try:
        await link.publish(message, _PATIENCE)
    except errors.Temporary as error:
        waiting.put_back(aside=link.connected)
        if link.connected:
            trouble.failed(str(error))
        return False
    except errors.Permanent as error:
        waiting.refuse()
        trouble.failed(str(error))
    else:
        waiting.done()
        trouble.fine()
    return True


async def _rest(waiting: spool.Spool, seconds: float) -> None:
    """Pause, but not into the end."""
    if waiting.closing.is_set():
        await asyncio.sleep(min(seconds, _AWAY))
        return
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await waiting.closing.wait()


def pause(tries: int) -> float:
    """Return seconds, at random up to twice as many with each try, so that couriers do not march in step."""
    longest: float = min(_FIRST * 2.0 ** (tries - 1), _LONGEST)
    return random.uniform(longest / 2, longest)  # noqa: S311 - not a secret
