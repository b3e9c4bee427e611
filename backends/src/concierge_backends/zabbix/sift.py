"""Which of many values Zabbix refuses, when it says only how many: ever smaller parts of them, sent again.

The same value with the same time is stored once, so asking again does no harm.
"""

import bisect
from collections.abc import Awaitable, Callable, Sequence

from concierge_backends.zabbix import packets

BUDGET = 64
"""Packets of one search. Items are made by columns, so parts are whole columns as long as there are several."""

Send = Callable[[Sequence[packets.Row]], Awaitable[int]]
"""Returns how many rows were taken."""


async def refused(
    send: Send, rows: Sequence[packets.Row], failed: int, budget: int = BUDGET
) -> list[packets.Row]:
    """Return the rows that are refused; where the budget ends, whole parts that hold such rows."""
    found: list[packets.Row] = []
    parts = [(sorted(rows, key=_column), failed)]
    while parts:
        part, lost = parts.pop()
        if lost >= len(part) or (lost > 0 and budget <= 0):
            found += part
        elif lost > 0:
            budget -= 1
            half = _cut(part)
            lost_first = half - await send(part[:half])
            parts += [(part[half:], lost - lost_first), (part[:half], lost_first)]
    return found


def _cut(part: Sequence[packets.Row]) -> int:
    """Return where the second half begins: between two columns, if there are two."""
    half = len(part) // 2
    middle = _column(part[half])
    begin = bisect.bisect_left(part, middle, key=_column)
    end = bisect.bisect_right(part, middle, key=_column)
    cuts = [at for at in (begin, end) if 0 < at < len(part)]
    return min(cuts, key=lambda at: abs(at - half), default=half)


def _column(row: packets.Row) -> tuple[str, str]:
    kind, _, rest = row.key.partition("[")
    return kind, rest.rpartition(",")[2]
