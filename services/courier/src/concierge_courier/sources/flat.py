"""Any JSON document, flattened: `{"queue": {"size": 5}}` is `gauge[queue.size,value]`, an array's first is `.0`.

The location may name paths behind a `#`, with commas and `*`: `json=http://…/stats#queue,pools.*.free`.
"""

import fnmatch
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from concierge_courier.sources import cells, document, port
from concierge_proto import errors, messages

_LONGEST = 2048
"""Characters of a path: of no use to a monitoring system if longer."""
_CHARACTERS = 16_000_000
"""Of all paths: each repeats the keys above it."""

Wanted = Callable[[str], object]
"""Whether a path is of interest."""


def source(name: str, location: str) -> port.Source:
    location, _, paths = location.partition("#")
    return document.Document(name, location, document.whole(partial(decode, wanted=including(paths))))


def including(paths: str) -> Wanted:
    """Return what accepts these paths and all beneath them; every path when there are none."""
    globs = [path.strip() for path in paths.split(",") if path.strip()]
    if not globs:
        return lambda _: True
    either = "|".join(fnmatch.translate(glob) for path in globs for glob in (path, f"{path}.*"))
    return re.compile(either).fullmatch


def decode(body: bytes, name: str = "json", wanted: Wanted = lambda _: True) -> port.Reading:
    """Return one block of gauges; raise Temporary when it is no JSON of objects and arrays."""
    return flatten(cells.parse(body), name, wanted)


def flatten(found: Any, name: str, wanted: Wanted = lambda _: True) -> port.Reading:
    """Return its values by dotted path. A path that stands there twice has its last value."""
    if not isinstance(found, dict | list):
        raise errors.Temporary("no metrics: the JSON document is neither an object nor an array")
    values: dict[str, messages.Value | None] = {}
    unusable = written = 0
    for path, value in _leaves(found):
        if not path:
            unusable += 1
            continue
        if not wanted(path):
            continue
        cell = cells.scalar(value)
        unusable += (cell is cells.UNUSABLE) + (path in values)
        values[path] = None if cell is cells.UNUSABLE else cell
        written += len(path)
        cells.bound(len(values))
        cells.bound(written, _CHARACTERS, "characters of names")
    block = messages.Block(
        kind="gauge", fields=("value",), names=tuple(values), values=tuple(values.values()), source=name
    )
    return port.Reading((block,) if values else (), unusable)


def _leaves(found: Any) -> Iterator[tuple[str, Any]]:
    """Yield (path, scalar), in order, however deep; what is empty has no leaves.

    The path is empty for what has none, and in place of everything beneath one that is too long.
    """
    waiting = [iter([("", found)])]
    while waiting:
        path, value = next(waiting[-1], (None, None))
        if path is None:
            waiting.pop()
        elif len(path) > _LONGEST:
            yield "", None
        elif isinstance(value, dict):
            waiting.append(_beneath(path, value.items()))
        elif isinstance(value, list):
            waiting.append(_beneath(path, enumerate(value)))
        else:
            yield path, value


def _beneath(path: str, items: Any) -> Iterator[tuple[str, Any]]:
    head = f"{path}." if path else ""
    return ((head + cells.clean(str(key)), value) for key, value in items)
