"""When to say what can be measured: at the start, when the set of names changed, and from time to time."""

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from concierge_proto import messages

Names = dict[str, tuple[str, ...]]
"""Kind of metric to names, sorted, without doubles."""

KINDS = (
    *("gauge", "counter", "histogram", "meter", "timer", "health"),
    *("device", "interface", "filesystem", "process"),
)
"""All that a source may have; of another one there is nothing to discover."""
_LEAST = 60.0
"""Seconds between two discoveries: each makes the monitoring system compare every item."""
_REPEAT = 600.0
"""Seconds after which it is said again, for a forwarder that was not there."""
_STATIC = "item"


class Discoverer:
    """Remembers the names of each source, so that one that fails does not take its metrics away."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[str, tuple[int, Names]] = {}
        self._all: Names = {}
        """Of every source; put together only when one has changed, since that sorts every name."""
        self._said: Names = {}
        self._said_at = 0.0

    def see(self, source: str, blocks: Iterable[messages.Block]) -> bool:
        """Take in what a source has now; sorted again only when the cheap hash has changed. Return whether it has."""
        mark = hash(tuple((block.kind, block.names) for block in blocks))
        if self._known.get(source, (None,))[0] == mark:
            return False
        self._known[source] = (mark, names(blocks))
        self._all = merge(known for _, known in self._known.values())
        return True

    def due(self) -> Names | None:
        """Return the full list when it is time to say it; None otherwise."""
        found = self._all
        since = self._clock() - self._said_at
        if not found or (self._said and since < (_LEAST if found != self._said else _REPEAT)):
            return None
        self._said, self._said_at = found, self._clock()
        return found


def names(blocks: Iterable[messages.Block]) -> Names:
    """Return the names of each kind that is discovered."""
    return merge({block.kind: block.names} for block in blocks if block.kind != _STATIC)


def clash(blocks: Iterable[messages.Block]) -> str:
    """Return a sentence about the names that two sources share; empty when there is none."""
    kinds: dict[str, list[messages.Block]] = {}
    for block in blocks:
        kinds.setdefault(block.kind, []).append(block)
    shared = [one for several in kinds.values() for one in _shared(several)]
    if not shared:
        return ""
    kind, name, first, second = shared[0]
    return (
        f"two sources have {len(shared):,} names in common, {first} and {second} for one {kind} {name!r}: "
        f"of two values Zabbix shows one; tell them apart with --prefix {second}={second}."
    )


def _shared(blocks: Sequence[messages.Block]) -> Iterator[tuple[str, str, str, str]]:
    """Yield kind, name, and the two sources; of blocks of one kind."""
    for one, other in itertools.combinations(blocks, 2):
        if one.source != other.source:
            for name in sorted(set(one.names).intersection(other.names)):
                yield one.kind, name, one.source, other.source


def merge(several: Iterable[Names]) -> Names:
    """Return one list per kind."""
    found: dict[str, set[str]] = {}
    for one in several:
        for kind, more in one.items():
            found.setdefault(kind, set()).update(more)
    return {kind: tuple(sorted(found[kind])) for kind in sorted(found)}


def low_level(found: Iterable[str]) -> str:
    """Return the JSON that a Zabbix agent hands to a discovery rule."""
    return msgspec.json.encode([{"{#NAME}": name} for name in found]).decode()
