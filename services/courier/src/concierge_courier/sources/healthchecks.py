"""The results of Dropwizard's health checks: `health[database,value]` is 1 or 0, `message` says what it says."""

from typing import Any

from concierge_courier.sources import cells, document, fetch, port
from concierge_proto import errors, messages

_WANTED = fetch.Wanted("application/json", frozenset({200, 500, 501}))
"""500: one is not well; 501: there is none. Both have the results as their body."""


def source(name: str, location: str) -> port.Source:
    return document.Document(name, location, document.whole(decode), _WANTED)


def decode(body: bytes, name: str = "health") -> port.Reading:
    """Return one block; raise Temporary when it is something else."""
    found = cells.parse(body)
    if found == {}:
        return port.Reading(())
    if not recognised(found):
        raise errors.Temporary('no health checks: {"name": {"healthy": true}, …} is expected')
    return reading(found, name)


def recognised(found: Any) -> bool:
    """Return whether it is results and nothing else."""
    return bool(
        isinstance(found, dict)
        and found
        and all(isinstance(one, dict) and isinstance(one.get("healthy"), bool) for one in found.values())
    )


def reading(found: dict[str, dict[str, Any]], name: str) -> port.Reading:
    rows = {cells.clean(check): (int(one["healthy"]), _message(one)) for check, one in found.items()}
    cells.bound(len(rows))
    block = messages.Block(
        kind="health",
        fields=("value", "message"),
        names=tuple(rows),
        values=tuple(cell for row in rows.values() for cell in row),
        source=name,
    )
    return port.Reading((block,))


def _message(one: dict[str, Any]) -> str | None:
    message = one.get("message")
    return cells.clean(message) if isinstance(message, str) else None
