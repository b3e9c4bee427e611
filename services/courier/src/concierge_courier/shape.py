"""What is sent of what was read: metrics chosen by their keys, and names made shorter.

A pattern is compared with the whole key, `KIND[NAME,FIELD]`: `*` is any text, `?` any character, everything
else is itself, brackets too.
"""

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from concierge_courier.sources import port
from concierge_proto import errors, messages

_ITEM = "item"
_REMEMBERED = 64
"""Tables whose shape is kept: an application has one a kind."""


class Shape(NamedTuple):
    """What the flags say."""

    include: tuple[str, ...] = ()
    """Patterns; none: everything."""
    exclude: tuple[str, ...] = ()
    """Patterns; stronger than `include`."""
    rename: tuple[tuple[str, str], ...] = ()
    """Beginnings of names, and what replaces them; the first that fits."""
    prefix: tuple[tuple[str, str], ...] = ()
    """Sources by name, and what stands before each name of theirs."""


class _Plan(NamedTuple):
    """How a table becomes another one with the same names every time."""

    names: tuple[str, ...]
    fields: tuple[str, ...]
    cells: tuple[int, ...]
    """Where each value stands; -1: left out."""
    doubles: tuple[int, ...]
    """Values of metrics that were given a name that was taken."""


class Shaped:
    """A source whose readings are shaped. Patterns are tried once for each table of names."""

    def __init__(self, source: port.Source, shape: Shape) -> None:
        self.name = source.name
        self._source = source
        self._chosen = _pattern(shape.include)
        self._left_out = _pattern(shape.exclude)
        self._rename = shape.rename
        self._prefix = dict(shape.prefix).get(source.name, "")
        self._plans: dict[tuple[str, tuple[str, ...], tuple[str, ...]], _Plan] = {}

    async def read(self, limits: port.Limits, started: port.Started) -> port.Reading:
        reading = await self._source.read(limits, started)
        made = [self._apply(block) for block in reading.blocks]
        blocks = tuple(block for block, _ in made if block.names)
        return port.Reading(blocks, reading.unusable + sum(doubles for _, doubles in made))

    def watch(self, pid: Callable[[], int]) -> None:
        """As `port.Watching`, for a source that wants to know."""
        if isinstance(self._source, port.Watching):
            self._source.watch(pid)

    def _apply(self, block: messages.Block) -> tuple[messages.Block, int]:
        """Return what is left, and how many values had a name that was taken."""
        plan = self._plan(block)
        values = block.values
        shaped = messages.Block(
            kind=block.kind,
            fields=plan.fields,
            names=plan.names,
            values=tuple([values[at] if at >= 0 else None for at in plan.cells]),
            source=block.source,
        )
        return shaped, sum(values[at] is not None for at in plan.doubles)

    def _plan(self, block: messages.Block) -> _Plan:
        mark = (block.kind, block.fields, block.names)
        if mark not in self._plans:
            if len(self._plans) >= _REMEMBERED:
                self._plans.clear()
            self._plans[mark] = self._made(block)
        return self._plans[mark]

    def _made(self, block: messages.Block) -> _Plan:
        rows: dict[str, tuple[int, ...]] = {}
        doubles: list[int] = []
        for row, name in enumerate(block.names):
            kept = self._row(block, row, name)
            renamed = self._renamed(name)
            if renamed in rows:
                doubles.extend(at for at in kept if at >= 0)
            elif any(at >= 0 for at in kept):
                rows[renamed] = kept
        used = [
            column for column in range(len(block.fields)) if any(row[column] >= 0 for row in rows.values())
        ]
        return _Plan(
            names=tuple(rows),
            fields=tuple(block.fields[column] for column in used),
            cells=tuple(row[column] for row in rows.values() for column in used),
            doubles=tuple(doubles),
        )

    def _row(self, block: messages.Block, row: int, name: str) -> tuple[int, ...]:
        """Return where the values of one metric stand, -1 for those that nobody wants."""
        start = row * len(block.fields)
        return tuple(
            start + column if self._wanted(key(block.kind, name, field)) else -1
            for column, field in enumerate(block.fields)
        )

    def _wanted(self, text: str) -> bool:
        if self._left_out and self._left_out.fullmatch(text):
            return False
        return self._chosen is None or self._chosen.fullmatch(text) is not None

    def _renamed(self, name: str) -> str:
        for old, new in self._rename:
            if name.startswith(old):
                return self._prefix + new + name.removeprefix(old)
        return self._prefix + name


def shaped(sources: Iterable[port.Source], shape: Shape) -> tuple[port.Source, ...]:
    """Return the sources, each with its readings shaped; themselves when there is nothing to do.

    Raises Permanent for a prefix of a source that is not there.
    """
    sources = tuple(sources)
    for name in dict(shape.prefix).keys() - {source.name for source in sources}:
        raise errors.Permanent(f"--prefix: no source is named {name!r}")
    return tuple(Shaped(source, shape) if any(shape) else source for source in sources)


def key(kind: str, name: str, field: str) -> str:
    """Return how a metric is called in patterns; the name of an item is its whole key."""
    return name if kind == _ITEM else f"{kind}[{name},{field}]"


def patterns(text: str) -> tuple[str, ...]:
    """Return the patterns of a variable, which stand in lines of their own or between blanks."""
    return tuple(text.split())


def renames(text: str) -> tuple[tuple[str, str], ...]:
    """Return the pairs of `FROM=TO`, several with blanks; raise ValueError. TO may be empty."""
    return tuple(rename(one) for one in text.split())


def prefixes(text: str) -> tuple[tuple[str, str], ...]:
    """Return the pairs of `NAME=TEXT`, several with blanks; raise ValueError."""
    found = tuple(one.partition("=") for one in text.split())
    for name, _, before in found:
        if not name or not before:
            raise ValueError(f"{text!r}: write NAME=TEXT, a source and what stands before its names")
    return tuple((name, before) for name, _, before in found)


def rename(text: str) -> tuple[str, str]:
    old, equals, new = text.partition("=")
    if not old or not equals:
        raise ValueError(f"{text!r}: write FROM=TO, the beginning of a name and what replaces it")
    return old, new


def _pattern(globs: Iterable[str]) -> re.Pattern[str] | None:
    parts = ["".join(_part(character) for character in glob) for glob in globs]
    return re.compile("|".join(parts), re.DOTALL) if parts else None


def _part(character: str) -> str:
    return {"*": ".*", "?": "."}.get(character) or re.escape(character)
