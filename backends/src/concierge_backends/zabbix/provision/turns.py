"""Whoever sets a Zabbix server up is alone with it.

Zabbix's API looks for a name before it writes it, and the tables of hosts, items and triggers forbid no second one: of two
that make the same at once both succeed, and there are two. A global macro cannot be there twice; it is the lock.

free ──create──▶ held ──said anew every BEAT──▶ held ──delete──▶ free
                  └──the same words for SILENT──▶ taken over
"""

import asyncio
import contextlib
import logging
import os
import random
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, NoReturn

from concierge_backends.zabbix import api
from concierge_backends.zabbix.provision import ledger
from concierge_proto import errors, identity

LOCK = "{$CONCIERGE.LOCK}"
BEAT = 10.0
"""Seconds after which the next call says that its holder still works."""
SILENT = 3.0 * api.TIMEOUT
"""Seconds without a word after which the holder was killed: no call of one that works takes so long."""
TRIES = 8
PAUSE = 0.3
"""Seconds before the second try; then longer, and never the same for both."""
LONGEST = 5.0

_log = logging.getLogger(__name__)


class Turn:
    """The API, for the one whose turn it is."""

    def __init__(self, door: api.Api) -> None:
        self.seven = door.seven
        self._door = door
        self._name = f"{socket.gethostname()} {os.getpid()} {identity.mint()}"
        self._id = ""
        self._said = 0.0
        self._beats = 0

    async def call(self, method: str, params: Any) -> Any:
        """As `Api.call`. Raises Temporary too where somebody else has taken over."""
        if self._id and time.monotonic() - self._said > BEAT:
            await self._renew()
        return await self._door.call(method, params)

    async def take(self) -> None:
        """Wait until nobody else is at work, and keep the others out. Raises Temporary, Permanent."""
        words, since = "", 0.0
        while not await self._made():
            found = await self._found()
            now = time.monotonic()
            if found and found["value"] != words:
                if not words:
                    _log.warning("%s: waiting for its end", _of(found))
                words, since = found["value"], now
            elif found and now - since > SILENT:
                _log.warning("%s has said nothing for %.0f s: taking over", _of(found), now - since)
                await self._delete(found)
            await asyncio.sleep(random.uniform(0.1, 0.5))  # noqa: S311 - no secret

    async def give(self) -> None:
        """Let the next one in. The answer to the taking may have been lost, so the name decides."""
        found = await self._found()
        if found and found["value"].startswith(self._name):
            await self._delete(found)

    async def _made(self) -> bool:
        about = "Set while `concierge zabbix` changes this server. Delete it only if that was killed."
        doc = {"macro": LOCK, "value": self._words(), "description": about}
        try:
            made = await self._door.call("usermacro.createglobal", doc)
        except (api.Clash, api.Taken):
            return False
        self._id, self._said = made["globalmacroids"][0], time.monotonic()
        return True

    async def _renew(self) -> None:
        self._beats += 1
        try:
            await self._door.call(
                "usermacro.updateglobal", {"globalmacroid": self._id, "value": self._words()}
            )
        except api.Clash:
            return
        except errors.Permanent as error:
            raise errors.Temporary(
                f"global macro {LOCK} is gone: somebody else took over; run it again", 1
            ) from error
        self._said = time.monotonic()

    def _words(self) -> str:
        return f"{self._name} {self._beats}"

    async def _found(self) -> ledger.Doc | None:
        params = {"globalmacro": True, "filter": {"macro": [LOCK]}}
        found = await self._door.call("usermacro.get", params)
        return found[0] if found else None

    async def _delete(self, found: ledger.Doc) -> None:
        with contextlib.suppress(errors.Permanent, api.Clash):  # somebody else was faster
            await self._door.call("usermacro.deleteglobal", [found["globalmacroid"]])


def _of(found: ledger.Doc) -> str:
    host, pid, *_ = (*str(found["value"]).split(" "), "?", "?")
    return f"somebody else sets this Zabbix up (process {pid} on {host}; global macro {LOCK})"


class _Needed(Exception):
    """There is something to write."""


class _Look(ledger.Ledger):
    """Goes as far as the first thing to be written."""

    async def write(self, method: str, params: Any) -> NoReturn:  # noqa: ARG002 - nothing is written
        raise _Needed


@contextlib.asynccontextmanager
async def _alone(door: api.Api) -> AsyncIterator[Turn]:
    turn = Turn(door)
    try:
        await turn.take()
        yield turn
    finally:
        try:
            await turn.give()
        except errors.ConciergeError as error:
            _log.warning(
                "global macro %s may be left, for which the next one waits %.0f s: %s", LOCK, SILENT, error
            )


async def take(
    door: api.Api, work: Callable[[ledger.Ledger], Awaitable[None]], *, dry_run: bool
) -> list[ledger.Change]:
    """Work alone, until no statement was refused; return the changes of all tries. Raises Temporary, Permanent.

    A plan writes nothing, and waits for nobody; nor does who finds nothing to write.
    """
    if dry_run:
        return await _tried(lambda: ledger.Ledger(door, dry_run=True), work)
    with contextlib.suppress(_Needed):
        return await _tried(lambda: _Look(door, dry_run=False), work)
    async with _alone(door) as turn:
        return await _tried(lambda: ledger.Ledger(turn, dry_run=False), work)


async def _tried(
    fresh: Callable[[], ledger.Ledger], work: Callable[[ledger.Ledger], Awaitable[None]]
) -> list[ledger.Change]:
    done: list[ledger.Change] = []
    for number in range(TRIES):
        book = fresh()
        try:
            await work(book)
        except api.Clash as error:
            if number == TRIES - 1:
                raise
            done += book.changes[: book.written]
            _log.warning("%s: starting again", error)
            await asyncio.sleep(_pause(number))
        else:
            return merged(done, book.changes)
    raise AssertionError("the last try returns or raises")


def _pause(number: int) -> float:
    return random.uniform(0.5, 1) * min(LONGEST, PAUSE * (1 << number))  # noqa: S311 - no secret


def merged(done: Sequence[ledger.Change], last: Sequence[ledger.Change]) -> list[ledger.Change]:
    """Return what was deleted, then the last list, where what an earlier try had done is not called unchanged."""
    earlier = {(one.kind, one.name): one for one in done if one.change != "none"}
    gone = [one for one in done if one.change == "delete"]
    return gone + [earlier.get((one.kind, one.name), one) if one.change == "none" else one for one in last]
