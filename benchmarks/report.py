"""What a benchmark found: a table for people, a file for machines."""

from pathlib import Path
from typing import NamedTuple

import msgspec

FOLDER = Path("build/bench")


class Row(NamedTuple):
    """One number."""

    what: str
    ours: float
    rival: float | None
    unit: str
    ratio: float | None
    """Of what was measured in pairs: the median of the pairs' ratios."""
    reach: str
    """Empty: nothing was promised."""
    holds: bool = True


def at_most(what: str, ours: float, unit: str, limit: float) -> Row:
    """A number with a limit of its own."""
    return Row(what, ours, None, unit, None, f"≤ {limit:g} {unit}", ours <= limit)


def finish(name: str, rows: list[Row]) -> int:
    """Print the rows, keep them in build/bench/NAME.json; return 0 when all hold."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    found = msgspec.json.format(msgspec.json.encode([row._asdict() for row in rows]), indent=1)
    (FOLDER / f"{name}.json").write_bytes(found + b"\n")
    for row in rows:
        print(line(row))
    return 0 if all(row.holds for row in rows) else 1


def line(row: Row) -> str:
    """Return a row as people read it."""
    verdict = ("ok" if row.holds else "MISS") if row.reach else ""
    rival = "" if row.rival is None else f"{row.rival:.4g} {row.unit}"
    ratio = "" if row.ratio is None else f"{row.ratio:.2f} ×"
    return f"{verdict:5}{row.what:76} {row.ours:.4g} {row.unit:6}{rival:>14}{ratio:>9}  {row.reach}".rstrip()
