"""Values on their way: in the order of their time, parked until their items come, explained when they are lost."""

import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import NamedTuple

from concierge_backends.zabbix import (
    accounts,
    counts,
    delay,
    hosts,
    inquiry,
    names,
    packets,
    parked,
    sift,
    traits,
)
from concierge_backends.zabbix import items as asked
from concierge_backends.zabbix import trapper as port

KEEP_DISCOVERY = 3600.0
"""Seconds that discovery waits for its host: without it no value of the host finds an item."""
FRESH = 30.0
"""Seconds after which the value of an item with a trigger is void: an old high would open it again."""
RETRY = 60.0
"""Seconds in which all values that never got an item are tried once more, a few at a time: somebody may have made one."""
PROBE = 100
"""Values with which a host is tried before all that waits is sent."""
MOST = 300_000
"""Values that wait at once; past them none is kept."""

_RULES = "concierge.discovery["
_STATES = frozenset({names.STATE, names.REASON})
_OLD = "older than what was sent before, and their item has a trigger"
_log = logging.getLogger(__name__)


class Fate(NamedTuple):
    """What became of values: taken + parked + undiscovered + refused are all of them."""

    taken: int
    parked: int
    undiscovered: int
    refused: Counter[str]
    """Why, in words that follow `are`."""


class Delivery:
    """All hosts of one cluster. Called with the host's lock held."""

    def __init__(
        self,
        trapper: port.Trapper,
        door: asked.Door | None,
        announce: Callable[[hosts.Host], Awaitable[None]],
        live: Callable[[hosts.Host], frozenset[str]],
        way: int = traits.PLAIN,
    ) -> None:
        self._trapper = trapper
        self._announce = announce
        self._live = live
        self._inquiry = inquiry.Inquiry(door, trapper.deliver, way)
        self._parked = parked.Parked(self._flush)
        self._delay = delay.Delay()
        self._waiting = 0

    async def close(self) -> None:
        await self._parked.close()
        await self._inquiry.close()
        await self._trapper.close()
        if self._waiting:
            _log.warning("%d values that waited for their items are given up", self._waiting)
            self._fewer("undiscovered", self._waiting)

    def made(self, host: hosts.Host) -> None:
        """Zabbix has this host now, and its server reads of it soon."""
        host.grow(time.monotonic())
        self._parked.restart(host)

    def forget(self, host: hosts.Host) -> None:
        """It has ended, and takes nothing any more: what still waits is given up."""
        self._settle(host, list(host.account.waiting), "undiscovered")
        self._parked.wake(host)
        self._inquiry.forget(host.name)
        self._trapper.forget(host.name)

    async def snapshot(self, host: hosts.Host, rows: Sequence[packets.Row]) -> Fate:
        """Send the values of one snapshot; park what has no item yet. Raises Temporary, Permanent."""
        known = await self._inquiry.traits(host)
        live = self._live(host) | known.watched
        fit, refused = traits.fitting(rows, known)
        told = live & host.account.told.keys()
        due = [row for row in fit if not host.account.void(row, told)] if told else fit
        if len(due) < len(fit):
            refused[_OLD] += len(fit) - len(due)
        due, again, hopeless = _promising(host, due, time.monotonic())
        taken = await self._send(host, [*due, *again] if again else due, live)
        fate = await self._account(host, due, again, taken, refused)
        counts.VALUES.labels("refused").inc(fate.refused.total())
        return fate._replace(undiscovered=fate.undiscovered + hopeless)

    async def newest(
        self, host: hosts.Host, rows: Sequence[packets.Row], patience: float | None = None
    ) -> None:
        """Send values of which only the newest counts; let them wait until they are taken, or `patience` ends."""
        if not host.tries:
            await self._announce(host)  # also where it has nothing to say yet
        missing = await self._refused(host, rows) if rows else []
        self._told(host, rows, missing)
        if missing:
            self._park(host, missing, patience if len(missing) == len(rows) else None, depth=1)

    def _told(self, host: hosts.Host, rows: Sequence[packets.Row], missing: Collection[packets.Row]) -> None:
        taken = [row for row in rows if row not in missing]
        self._settle(host, {row.key for row in taken})
        host.rules.taken([row for row in taken if row.key.startswith(_RULES)], time.monotonic())

    async def _refused(self, host: hosts.Host, rows: Sequence[packets.Row]) -> Sequence[packets.Row]:
        """Send a few rows, of which there may be newer ones soon; return those that are not taken."""
        failed = len(rows) - await self._send(host, rows, frozenset(), slot=rows[0].key)
        return await sift.refused(lambda part: self._trapper.deliver(host.name, part), rows, failed)

    async def _send(
        self, host: hosts.Host, rows: Sequence[packets.Row], live: frozenset[str], slot: str = ""
    ) -> int:
        """Send rows; a host that takes none of them is announced, again and again: it may be gone."""
        if not host.tries:
            await self._announce(host)
        taken = await self._trapper.deliver(host.name, rows, live, slot)
        if taken:
            host.accepted()
            host.account.tell(rows, live)
        elif rows and host.due(time.monotonic()):
            await self._announce(host)
        return taken

    async def _account(
        self,
        host: hosts.Host,
        due: Sequence[packets.Row],
        again: Sequence[packets.Row],
        taken: int,
        refused: Counter[str],
    ) -> Fate:
        failed = len(due) + len(again) - taken
        if failed <= len(again):
            await self._found(host, again, failed)
            return Fate(taken, 0, failed, refused)
        rows = [*due, *again] if again else due
        missed = await self._inquiry.missed(host, rows, failed)
        if missed.sure and host.rules.said:
            host.rules.heeded(row.key for row in rows if row.key not in missed.unknown)
        troubled = missed.troubled
        why = Counter(troubled[row.key] for row in rows if row.key in troubled) if troubled else Counter()
        refused += why
        lost = _lost(rows, missed)
        hopeless = host.account.given_up
        hopeful = [row for row in lost if row.key not in hopeless] if self._waiting < MOST else []
        self._park(host, hopeful)
        left = max(0, failed - why.total())
        waiting = min(left, len(hopeful))
        return Fate(taken, waiting, left - waiting, refused)

    async def _found(self, host: hosts.Host, again: Sequence[packets.Row], failed: int) -> None:
        """All that had hope were taken: so will be what waits; of those tried again `failed` were not."""
        host.rules.said.clear()
        if host.account.waiting:
            self._parked.wake(host)
        if failed == len(again):
            return
        host.account.hurry()  # where one item was made there are often more
        missed = await self._inquiry.missed(host, again, failed) if failed else inquiry.Missed(set(), {})
        if not missed.sure:
            return
        since = host.account.found([row.key for row in again if row.key not in missed.unknown])
        if since is not None:
            self._delay.note(time.monotonic() - since)
            host.account.changed = time.monotonic()

    def _park(
        self,
        host: hosts.Host,
        rows: Sequence[packets.Row],
        patience: float | None = None,
        depth: int = accounts.DEPTH,
    ) -> None:
        wait = self._delay.patience() if patience is None else patience
        parked = host.account.park(rows, time.monotonic(), wait, depth)
        self._fewer("superseded", parked.superseded)
        self._more(parked.added)
        if host.account.waiting:
            self._parked.look_after(host)

    def _more(self, values: int) -> None:
        self._waiting += values
        counts.PARKED.set(self._waiting)

    def _fewer(self, fate: str, values: int) -> None:
        self._more(-values)
        counts.VALUES.labels(fate).inc(values)

    def _settle(self, host: hosts.Host, found: Collection[str], fate: str = "late") -> None:
        """These keys no longer wait."""
        values, since = host.account.settle(found)
        if not values:
            return
        self._fewer(fate, values)
        if fate == "late":
            host.rules.heeded(found)
            self._delay.note(time.monotonic() - since)
            host.account.changed = time.monotonic()

    async def _flush(self, host: hosts.Host) -> None:
        """Try what waits: the rules of discovery, since they make items, and then the values."""
        async with host.lock:
            self._fewer("undiscovered", host.account.expire(time.monotonic()))
            rules = host.account.rules(_RULES)
            if rules:
                missing = await self._refused(host, rules)
                self._told(host, rules, missing)
            again = host.rules.due(host.account.waiting, time.monotonic())
            if again:
                await self._trapper.deliver(host.name, again)
            if len(rules) < len(host.account.waiting) and await self._there(host):
                await self._values(host)

    async def _there(self, host: hosts.Host) -> bool:
        """Whether a host that took nothing yet takes its state; to ask the API about one that is not there is in vain."""
        states = [
            row for key in _STATES & host.account.waiting.keys() for row in host.account.waiting[key].rows
        ]
        return host.took or not states or await self._send(host, states, frozenset()) > 0

    async def _values(self, host: hosts.Host) -> None:
        """Try some of the values that wait, and send all when some of them are taken."""
        known = await self._inquiry.traits(host, age=0)  # an item that is new may have a trigger
        live = self._live(host) | known.watched
        oldest = time.time_ns() - int(FRESH * 1e9)
        self._fewer("held_back", host.account.hold_back(live - _STATES, oldest))
        rules = {row.key for row in host.account.rules(_RULES)}
        some = host.account.some(PROBE, live | rules) or host.account.some(PROBE, rules)
        probe, _ = traits.fitting(some, known)
        if not probe or await self._send(host, probe, live):
            await self._all(
                host, [row for row in host.account.pending() if row.key not in rules], known, live
            )

    async def _all(
        self,
        host: hosts.Host,
        pending: Sequence[packets.Row],
        known: traits.Traits,
        live: frozenset[str],
    ) -> None:
        rows, _ = traits.fitting(pending, known)
        self._settle(host, {row.key for row in pending} - {row.key for row in rows}, "refused")
        taken = await self._send(host, rows, live) if rows else 0
        if taken:
            await self._late(host, rows, taken)

    async def _late(self, host: hosts.Host, rows: Sequence[packets.Row], taken: int) -> None:
        """Some of what waits was taken: find out which."""
        missed = inquiry.Missed(set(), {})
        if taken < len(rows):
            missed = await self._inquiry.missed(host, rows, len(rows) - taken)
        self._settle(host, missed.troubled.keys(), "refused")
        if missed.sure:
            self._settle(host, {row.key for row in rows} - missed.unknown)


def _promising(
    host: hosts.Host, rows: Sequence[packets.Row], now: float
) -> tuple[Sequence[packets.Row], Sequence[packets.Row], int]:
    """Return the values that are worth sending, those worth another try, and how many are neither."""
    account = host.account
    if not account.given_up:
        return rows, (), 0
    due = [row for row in rows if row.key not in account.given_up]
    hopeless = [row for row in rows if row.key in account.given_up]
    again = account.again(hopeless, now, RETRY)
    return due, again, len(hopeless) - len(again)


def _lost(rows: Sequence[packets.Row], missed: inquiry.Missed) -> list[packets.Row]:
    if missed.sure:
        return [row for row in rows if row.key in missed.unknown]
    return [row for row in rows if row.key not in missed.troubled]
