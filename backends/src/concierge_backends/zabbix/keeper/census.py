"""Hosts as Zabbix has them, and which of them are instances of ours."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from concierge_backends.zabbix import api, names
from concierge_proto import settings

Doc = dict[str, Any]

INSTANCE = ("concierge", "instance")
"""The tag of an instance's host; an auto-registered one has it from its template."""
SERVICE, ENDED, REASON = "service", "concierge.ended", "concierge.reason"
"""Tags: whose instance it is; when it stopped, in seconds since 1970, and why."""


class Found(NamedTuple):
    """One host."""

    id: str
    name: str
    enabled: bool
    description: str
    tags: tuple[tuple[str, str], ...]
    """Its own; what it has from its templates is in `inherited`."""
    inherited: tuple[tuple[str, str], ...]
    groups: dict[str, str]
    """Id to name."""
    interfaces: int
    boot: str
    """Of the courier that spoke when it was enrolled; "" for a host that registered itself."""

    @property
    def ended(self) -> float | None:
        """When its instance stopped, in seconds since 1970; None: it did not, or somebody wrote something else."""
        said = dict(self.tags).get(ENDED, "")
        return float(said) if said.isascii() and said.isdigit() else None


async def named(door: api.Api, hosts: Iterable[str]) -> dict[str, Found]:
    """Return the hosts of these names that there are. Raises Temporary, Permanent."""
    return {one.name: one for one in await _read(door, {"filter": {"host": list(hosts)}})}


async def ended(door: api.Api) -> list[Found]:
    """Return every disabled host whose instance stopped."""
    return await _read(door, {"filter": {"status": 1}, "tags": [{"tag": ENDED, "operator": 4}]})


async def enabled(door: api.Api) -> list[Found]:
    """Return every enabled host with the tag of an instance."""
    tag, value = INSTANCE
    wanted = [{"tag": tag, "value": value, "operator": 1}]
    return await _read(door, {"filter": {"status": 0}, "tags": wanted, "inheritedTags": True})


def service(found: Found, config: settings.Settings) -> str:
    """Return whose instance it is; "" unless tags and group both say that it is ours."""
    pairs = found.tags + found.inherited
    if INSTANCE not in pairs:
        return ""
    of = [value for tag, value in pairs if tag == SERVICE]
    return next((one for one in of if names.host_group(config, one) in found.groups.values()), "")


def ending(at: float, reason: str) -> tuple[tuple[str, str], ...]:
    """Return the tags of an instance that stopped."""
    return ((ENDED, str(int(at))), (REASON, reason[:255]))


def moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def pairs(tags: Iterable[tuple[str, str]]) -> list[Doc]:
    return [{"tag": tag, "value": value} for tag, value in dict.fromkeys(tags)]


async def _read(door: api.Api, which: Doc) -> list[Found]:
    groups = "selectHostGroups" if door.seven else "selectGroups"
    asked = {
        "output": ["hostid", "host", "status", "description"],
        groups: ["groupid", "name"],
        "selectTags": "extend",
        "selectInheritedTags": "extend",
        "selectInterfaces": ["interfaceid"],
        "selectInventory": ["tag"],
    }
    return [_found(doc) for doc in await door.call("host.get", asked | which)]


def _found(doc: Doc) -> Found:
    return Found(
        id=doc["hostid"],
        name=doc["host"],
        enabled=doc["status"] == "0",
        description=doc["description"],
        tags=_tags(doc["tags"]),
        inherited=_tags(doc["inheritedTags"]),
        groups={one["groupid"]: one["name"] for one in doc.get("hostgroups") or doc.get("groups", [])},
        interfaces=len(doc["interfaces"]),
        boot=doc["inventory"]["tag"] if doc["inventory"] else "",
    )


def _tags(docs: Iterable[Doc]) -> tuple[tuple[str, str], ...]:
    return tuple((doc["tag"], doc["value"]) for doc in docs)
