"""Rules of discovery that Zabbix took, and whose items have not come.

Zabbix reads its configuration piece by piece: of a host that was made in between it knows the rules for about a second
before the macros of their filters. It takes a discovery then, and finds no name in it (seen on 7.0.9, with one host in
ten of those made together). Such a rule is said again. Pure.
"""

import dataclasses
from collections.abc import Iterable, Sequence

from concierge_backends.zabbix import keys, packets

FIRST, GROWTH, TIMES = 3.0, 3.0, 4
"""Seconds until a rule is said again, how they grow, and how often: 6.0 as shipped reads once a minute."""


@dataclasses.dataclass
class Doubts:
    """Of one host. Times are of a monotonic clock."""

    said: dict[str, packets.Row] = dataclasses.field(default_factory=dict)
    again_at: float = 0.0
    pause: float = FIRST
    left: int = TIMES

    def taken(self, rows: Sequence[packets.Row], now: float) -> None:
        """Zabbix took these rules."""
        if not rows:
            return
        self.said.update((row.key, row) for row in rows)
        self.again_at, self.pause, self.left = now + FIRST, FIRST, TIMES

    def heeded(self, found: Iterable[str]) -> None:
        """These keys have items: so their rules were understood."""
        if self.said:
            for kind in {key.partition("[")[0] for key in found}:
                self.said.pop(keys.rule(kind), None)

    def due(self, waiting: Iterable[str], now: float) -> list[packets.Row]:
        """Return the rules to say again: values of their kinds wait, and not one has an item."""
        if not self.said or now < self.again_at:
            return []
        self.pause *= GROWTH
        self.again_at, self.left = now + self.pause, self.left - 1
        kinds = {keys.rule(key.partition("[")[0]) for key in waiting}
        found = [row for key, row in self.said.items() if key in kinds]
        if not found or not self.left:
            self.said.clear()
        return found
