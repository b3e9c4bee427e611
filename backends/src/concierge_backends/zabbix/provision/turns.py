"""Two that set up one Zabbix at the same time: whoever meets the other's work starts again, and finds it done."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence

from concierge_backends.zabbix import api
from concierge_backends.zabbix.provision import ledger

TRIES = 8
PAUSE = 0.3
"""Seconds before the second try; then longer, and never the same for both."""
LONGEST = 5.0

_log = logging.getLogger(__name__)


async def take(
    fresh: Callable[[], ledger.Ledger], work: Callable[[ledger.Ledger], Awaitable[None]]
) -> list[ledger.Change]:
    """Work until nobody is in the way; return the changes of all tries. Raises Temporary, Permanent."""
    done: list[ledger.Change] = []
    said: set[str] = set()
    for number in range(TRIES):
        book = fresh()
        try:
            await work(book)
        except (api.Clash, api.Taken) as error:
            if number == TRIES - 1 or _lasting(error, said):
                raise
            said.add(str(error))
            done += book.changes[: book.written]
            _log.warning("%s: starting again", error)
            await asyncio.sleep(_pause(number))
        else:
            return merged(done, book.changes)
    raise AssertionError("the last try returns or raises")


def _lasting(error: Exception, said: set[str]) -> bool:
    """Whether the name is somebody's own: a second look would have found what another `apply` had made."""
    return isinstance(error, api.Taken) and str(error) in said


def _pause(number: int) -> float:
    return random.uniform(0.5, 1) * min(LONGEST, PAUSE * (1 << number))  # noqa: S311 - no secret


def merged(done: Sequence[ledger.Change], last: Sequence[ledger.Change]) -> list[ledger.Change]:
    """Return the last list, where what an earlier try had done is not called unchanged."""
    earlier = {(one.kind, one.name): one for one in done if one.change != "none"}
    return [earlier.get((one.kind, one.name), one) if one.change == "none" else one for one in last]
