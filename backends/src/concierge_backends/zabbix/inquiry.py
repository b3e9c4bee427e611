"""Why Zabbix did not take all values: it says only how many."""

import functools
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

from concierge_backends.zabbix import api, hosts, items, packets, sift, traits
from concierge_proto import errors

REREAD = 3.0
"""Seconds between two readings of a host's items while they do not explain what Zabbix says."""
RESIFT = 10.0
"""Seconds between two searches by ever smaller parts."""
ASK_EVERY = 600.0
"""Seconds between two questions about single values of a host."""
STALE = 600.0
"""Seconds after which the traits of a host's items are read anew."""
FEW = 5
"""Hosts whose full lists of items are one question: PHP holds the whole answer in memory."""
ASKED = 2000
"""Values of one question."""

Send = Callable[[str, Sequence[packets.Row]], Awaitable[int]]
_ABSENT = "does not exist"
_log = logging.getLogger(__name__)


class Missed(NamedTuple):
    """What is known of the values that were not taken."""

    unknown: frozenset[str] | set[str]
    """Keys without an item."""
    troubled: Mapping[str, str]
    """Key to why Zabbix will not take its values."""
    sure: bool = True
    """False: others may be among them too."""

    def count(self, rows: Sequence[packets.Row]) -> int:
        """Return how many of these values it is about."""
        about = self.unknown | self.troubled.keys()
        return sum(row.key in about for row in rows)


class Inquiry:
    """Asks the API where there is one, and else Zabbix itself, by parts."""

    def __init__(self, door: items.Door | None, send: Send, way: int) -> None:
        self._door = door
        self._send = send
        self._items = items.Asked(door, functools.partial(items.known, way), FEW) if door else None
        self._traits = items.Asked(door, items.kinds) if door else None

    async def close(self) -> None:
        for asked in (self._items, self._traits):
            if asked:
                await asked.close()

    def forget(self, host: str) -> None:
        """It has ended: nobody asks about its items again."""
        for asked in (self._items, self._traits):
            if asked:
                asked.forget(host)

    async def traits(self, host: hosts.Host, age: float = STALE) -> traits.Traits:
        """Return what the items of a host want, at most `age` s old; nothing where nobody can be asked."""
        if not self._traits:
            return traits.NONE
        since = max(host.account.changed, time.monotonic() - age)
        return await self._traits.about(host.name, since) or self._traits.last(host.name) or traits.NONE

    async def missed(self, host: hosts.Host, rows: Sequence[packets.Row], failed: int) -> Missed:
        """Return what is known of `failed` values among `rows`; what explained them last time may do so again."""
        account = host.account
        if account.explained_at >= account.changed and 0 < failed < len(rows):
            found = Missed(account.unknown, account.troubled)
            if found.count(rows) == failed:
                return found
        began = time.monotonic()
        found = await self._look(host, rows, failed)
        if found.sure and failed < len(rows):
            account.unknown, account.troubled, account.explained_at = found.unknown, found.troubled, began
        return found

    async def _look(self, host: hosts.Host, rows: Sequence[packets.Row], failed: int) -> Missed:
        known = await self._known(host, rows, failed)
        if known is None or not (known.items or known.trouble):
            return await self._by_parts(host, rows, failed)
        found = _compare(host, rows, known, failed)
        if found.count(rows) == failed:
            return found
        more = await self._ask(host, rows, found, failed) if time.monotonic() > host.young_until else {}
        full = Missed(found.unknown, {**found.troubled, **more}, sure=False)
        return full._replace(sure=full.count(rows) == failed)

    async def _known(self, host: hosts.Host, rows: Sequence[packets.Row], failed: int) -> items.Known | None:
        if not self._items:
            return None
        known, now = self._items.last(host.name), time.monotonic()
        current = known and known.at >= host.account.changed
        explained = current and known and _compare(host, rows, known, failed).count(rows) == failed
        if explained or now - host.account.read_at < REREAD:
            return known
        host.account.read_at = now
        return await self._items.about(host.name, now)

    async def _by_parts(self, host: hosts.Host, rows: Sequence[packets.Row], failed: int) -> Missed:
        if failed == len(rows):
            keys, why = {row.key for row in rows}, _silence(host)
            return Missed(set(), dict.fromkeys(keys, why)) if why else Missed(keys, {})
        account, now = host.account, time.monotonic()
        if now - account.sifted_at >= RESIFT:
            account.sifted_at = now
            refused = await sift.refused(lambda part: self._send(host.name, part), rows, failed)
            account.sifted = frozenset(row.key for row in refused)
        found = Missed(account.sifted, {})
        return found._replace(sure=found.count(rows) >= failed)

    async def _ask(
        self, host: hosts.Host, rows: Sequence[packets.Row], found: Missed, failed: int
    ) -> Mapping[str, str]:
        """Ask about single values that have an item and were not taken all the same."""
        account, now = host.account, time.monotonic()
        if failed <= found.count(rows) or now - account.asked_at < ASK_EVERY:
            return {}
        account.asked_at = now
        open_ones = [row for row in rows if row.key not in found.unknown and row.key not in found.troubled]
        account.reasons = await self._reasons(host, open_ones)
        if account.reasons:
            _log.warning("host %s: %s", host.name, _example(account.reasons))
        return account.reasons

    async def _reasons(self, host: hosts.Host, rows: Sequence[packets.Row]) -> dict[str, str]:
        try:
            door = await self._door() if self._door else None
            if door and door.seven:
                return await pushed(door, rows)
        except (errors.Temporary, errors.Permanent) as error:
            _log.info("host %s: Zabbix cannot be asked about single values: %s", host.name, error)
        failed = len(rows) - await self._send(host.name, rows)
        found = await sift.refused(lambda part: self._send(host.name, part), rows, failed)
        return dict.fromkeys((row.key for row in found), "refused, and Zabbix does not say why")


async def pushed(door: api.Api, rows: Sequence[packets.Row]) -> dict[str, str]:
    """Send values through the API of 7.0, which answers for each; return key to error. Raises as `Api.call`."""
    found: dict[str, str] = {}
    for at in range(0, len(rows), ASKED):
        some = rows[at : at + ASKED]
        sent = [
            {"host": row.host, "key": row.key, "value": row.value, "clock": row.clock, "ns": row.ns}
            for row in some
        ]
        answers = (await door.call("history.push", sent))["data"]
        told = ((row.key, answer.get("error", "")) for row, answer in zip(some, answers, strict=True))
        found.update((key, f"refused: {error}") for key, error in told if error and _ABSENT not in error)
    return found


def _compare(host: hosts.Host, rows: Sequence[packets.Row], known: items.Known, failed: int) -> Missed:
    """Hold what the API says against what was counted; a trouble that is only possible counts where it fits."""
    if known.trouble and failed == len(rows):
        return Missed(set(), dict.fromkeys((row.key for row in rows), known.trouble))
    unknown = {row.key for row in rows if row.key not in known.items}
    reasons = known.troubled | host.account.reasons
    every = {row.key: reasons[row.key] for row in rows if row.key in reasons} if reasons else {}
    if (found := Missed(unknown, every)).count(rows) == failed:
        return found
    return Missed(unknown, {key: why for key, why in every.items() if not why.startswith(traits.PERHAPS)})


def _silence(host: hosts.Host) -> str:
    return "of a host that is disabled" if "not monitored" in host.account.silence else ""


def _example(reasons: Mapping[str, str]) -> str:
    key, why = next(iter(reasons.items()))
    return f"{len(reasons)} values have an item and are not taken, e.g. {key}: {why}"
