"""What became of the values of one host: which wait for their items, and which are given up. Pure."""

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from concierge_backends.zabbix import packets

DEPTH = 3
"""Values of a key that wait; a newer one takes the place of the oldest."""


class Parked(NamedTuple):
    """Values that wait now and did not before, and those whose place they took."""

    added: int
    superseded: int


@dataclasses.dataclass
class Slot:
    """The newest values of one key, oldest first. Times are of a monotonic clock."""

    since: float
    until: float
    rows: list[packets.Row] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Account:
    """One host's. A key is waiting, given up, or neither."""

    waiting: dict[str, Slot] = dataclasses.field(default_factory=dict)
    given_up: dict[str, float] = dataclasses.field(default_factory=dict)
    """Keys without an item in all the time, and since when they were missed."""
    tried_at: float = 0.0
    """Up to when those that are given up were tried all the same."""
    turn: int = 0
    """Where among them the next try begins."""
    told: dict[str, int] = dataclasses.field(default_factory=dict)
    """Time in ns of the newest value of each key that has a trigger."""
    changed: float = 0.0
    """When its items last changed, as far as we know."""
    unknown: frozenset[str] | set[str] = frozenset()
    troubled: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """With `unknown`: what explained the last reply, at `explained_at`."""
    explained_at: float = -1e9
    sifted: frozenset[str] = frozenset()
    """Keys that were refused when they were last tried in ever smaller parts."""
    sifted_at: float = -1e9
    reasons: dict[str, str] = dataclasses.field(default_factory=dict)
    """Key to why Zabbix refuses it, when it was last asked about single values."""
    asked_at: float = -1e9
    read_at: float = -1e9
    """When its list of items was last asked for, because it did not explain a reply."""
    silence: str = ""
    """What Zabbix said about the host when it was last announced; "" when it knows the host."""

    def park(self, rows: Iterable[packets.Row], now: float, patience: float, depth: int = DEPTH) -> Parked:
        """Let values wait; one that waits already is not kept twice."""
        added = superseded = 0
        for row in rows:
            slot = self.waiting.get(row.key) or self.waiting.setdefault(row.key, Slot(now, now + patience))
            if not slot.rows or nanoseconds(slot.rows[-1]) < nanoseconds(row):
                slot.rows.append(row)
                added += 1
                superseded += max(0, len(slot.rows) - depth)
                del slot.rows[:-depth]
        return Parked(added, superseded)

    def __len__(self) -> int:
        return sum(len(slot.rows) for slot in self.waiting.values())

    def expire(self, now: float) -> int:
        """Give up what waited for too long; return how many values that were."""
        late = [key for key, slot in self.waiting.items() if slot.until < now]
        slots = {key: self.waiting.pop(key) for key in late}
        if not self.given_up:
            self.tried_at = now
        self.given_up.update((key, slot.since) for key, slot in slots.items())
        return sum(len(slot.rows) for slot in slots.values())

    def pending(self) -> list[packets.Row]:
        """Return all that waits, by time."""
        return sorted((row for slot in self.waiting.values() for row in slot.rows), key=nanoseconds)

    def some(self, most: int, without: Collection[str]) -> list[packets.Row]:
        """Return the oldest values of some keys, from all over."""
        names = [key for key in self.waiting if key not in without]
        return [self.waiting[key].rows[0] for key in names[:: max(1, len(names) // most)]]

    def rules(self, begin: str) -> list[packets.Row]:
        """Return what waits for keys that begin so."""
        return [row for key, slot in self.waiting.items() if key.startswith(begin) for row in slot.rows]

    def hold_back(self, live: Collection[str], oldest: int) -> int:
        """Drop values of keys in `live` that are not their newest, or older than `oldest` (ns); return how many."""
        dropped = 0
        for key in self.waiting.keys() & live:
            slot = self.waiting[key]
            due = [row for row in slot.rows[-1:] if nanoseconds(row) >= max(oldest, self.told.get(key, 0))]
            dropped += len(slot.rows) - len(due)
            slot.rows = due
            if not due:
                del self.waiting[key]
        return dropped

    def settle(self, keys: Collection[str]) -> tuple[int, float]:
        """These keys no longer wait; return how many values did, and since when."""
        slots = [self.waiting.pop(key) for key in keys if key in self.waiting]
        since = min((slot.since for slot in slots), default=0.0)
        return sum(len(slot.rows) for slot in slots), since

    def found(self, keys: Collection[str]) -> float | None:
        """These keys, once given up, have items now; return since when the first was missed."""
        since = [self.given_up.pop(key) for key in keys if key in self.given_up]
        return min(since, default=None)

    def again(self, rows: Sequence[packets.Row], now: float, every: float) -> Sequence[packets.Row]:
        """Return those of the hopeless rows whose turn it is: each has one in `every` s."""
        count = min(len(rows), int(len(rows) * (now - self.tried_at) / every))
        if not count:
            return ()
        self.tried_at = max(now - every, self.tried_at) + count * every / len(rows)
        begin = self.turn % len(rows)
        self.turn = begin + count
        return [*rows[begin : self.turn], *rows[: max(0, self.turn - len(rows))]]

    def hurry(self) -> None:
        """Let all that are given up have a turn at once."""
        self.tried_at = -1e9

    def renew(self, now: float) -> None:
        """A new life, or other names: every key deserves another wait."""
        self.given_up.clear()
        self.reasons.clear()
        self.changed = now

    def tell(self, rows: Iterable[packets.Row], live: Collection[str]) -> None:
        """Remember the newest time of the keys in `live`."""
        for row in rows if live else ():
            if row.key in live:
                self.told[row.key] = max(self.told.get(row.key, 0), nanoseconds(row))

    def void(self, row: packets.Row, live: Collection[str]) -> bool:
        """Whether a newer value of a key in `live` was told already."""
        return row.key in live and nanoseconds(row) < self.told.get(row.key, 0)


def nanoseconds(row: packets.Row) -> int:
    return row.clock * 1_000_000_000 + row.ns
