"""The end of an instance's host: marked and disabled, its problems closed, and removed when its time has come."""

import itertools
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from concierge_backends.zabbix import api
from concierge_backends.zabbix.keeper import census, enrol
from concierge_backends.zabbix.keeper.census import Doc, Found
from concierge_proto import settings

AT_ONCE = 50
"""Hosts of one call: to remove one takes the front end about as long as to make it."""
_CLOSE_AND_SAY = 1 | 4


class End(NamedTuple):
    """An instance that stopped."""

    name: str
    """Of its host."""
    at: float
    """Seconds since 1970."""
    reason: str
    boot: str = ""


async def retire(door: api.Api, config: settings.Settings, ends: Sequence[End]) -> list[str]:
    """Disable the hosts of these, and close their problems; return the names. Raises Temporary, Permanent.

    Cut off in the middle it is done again from the start: problems are closed again only where any are open.
    """
    known = await census.named(door, [end.name for end in ends])
    leaving = [(known[end.name], end) for end in ends if end.name in known]
    ours = [(found, end) for found, end in leaving if census.service(found, config)]
    fresh = [(found, end) for found, end in ours if found.ended is None]
    if fresh:
        await door.call("host.update", [_ended(found, end) for found, end in fresh])
    if ours:
        await _close(door, {found.id: end.reason for found, end in ours})
    return [end.name for _, end in ours]


async def remove(door: api.Api, config: settings.Settings, before: float) -> int:
    """Remove hosts that are ours and whose instances stopped before that (seconds since 1970); return how many."""
    due = [
        found.id
        for found in await census.ended(door)
        if census.service(found, config) and found.ended is not None and found.ended <= before
    ]
    for part in _parts(due):
        await door.call("host.delete", list(part))
    return len(due)


def _ended(found: Found, end: End) -> Doc:
    doc: Doc = {
        "hostid": found.id,
        "status": 1,
        "tags": census.pairs([*found.tags, *census.ending(end.at, end.reason)]),
    }
    if not found.description or found.description.startswith(enrol.SAID):
        doc["description"] = f"{enrol.SAID}stopped at {census.moment(end.at)}: {end.reason}"
    return doc


async def _close(door: api.Api, reasons: dict[str, str]) -> None:
    """Close what is open on these hosts (id to reason), where its trigger allows that."""
    wanted = {"hostids": list(reasons), "output": ["eventid", "objectid"]}
    problems = await door.call("problem.get", wanted)
    if not problems:
        return
    hosts = await _closable(door, {one["objectid"] for one in problems}, reasons)
    events: dict[str, list[str]] = {}
    for one in problems:
        if one["objectid"] in hosts:
            events.setdefault(reasons[hosts[one["objectid"]]], []).append(one["eventid"])
    for reason, ids in events.items():
        said = {"eventids": ids, "action": _CLOSE_AND_SAY, "message": f"The instance stopped: {reason}"}
        await door.call("event.acknowledge", said)


async def _closable(door: api.Api, triggers: Iterable[str], hosts: Collection[str]) -> dict[str, str]:
    """Return trigger to which of the hosts it is about, as ids."""
    found: list[dict[str, Any]] = await door.call(
        "trigger.get",
        {
            "triggerids": list(triggers),
            "hostids": list(hosts),
            "filter": {"manual_close": 1},
            "output": ["triggerid"],
            "selectHosts": ["hostid"],
        },
    )
    return {
        one["triggerid"]: host["hostid"] for one in found for host in one["hosts"] if host["hostid"] in hosts
    }


def _parts(ids: Sequence[str]) -> Iterable[tuple[str, ...]]:
    rest = iter(ids)
    return iter(lambda: tuple(itertools.islice(rest, AT_ONCE)), ())
