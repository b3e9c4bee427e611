"""New instances get their hosts, many in one call; one that lived before gets its own back."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from concierge_backends.zabbix import api, names
from concierge_backends.zabbix.keeper import census
from concierge_backends.zabbix.keeper.census import Doc, Found
from concierge_proto import errors, settings

SAID = "Concierge: "
"""Begins what we write into a host's description: anything else is somebody else's."""
STRAY = "Discovered hosts"
"""The group into which Zabbix puts a host that registers itself, beside ours."""

_EXISTS = "already exists"
APART = 0.5
"""Seconds, at most, until the next try of one that took back its hosts."""


class Arrival(NamedTuple):
    """An instance that speaks."""

    name: str
    """Of its host."""
    service: str
    boot: str
    courier: str = ""
    image: str = ""
    running: bool = False
    """Its heartbeat said so: what wakes a host that was retired in the same life of its courier."""


class Enrolled(NamedTuple):
    """What became of arrivals, by the names of their hosts."""

    made: list[str]
    foreign: list[str]
    """Hosts of those names are not ours: left alone."""
    asleep: list[str]
    """Retired, and this was only a late word from before their end."""


class Places(NamedTuple):
    """Where the hosts of a service belong, as ids."""

    group: str
    template: str


async def enrol(door: api.Api, config: settings.Settings, arrivals: Sequence[Arrival]) -> Enrolled:
    """Give each arrival an enabled host. Raises Temporary, Permanent."""
    known = await census.named(door, [one.name for one in arrivals])
    made, hidden = await _create(door, config, [one for one in arrivals if one.name not in known])
    met = [(one, known[one.name]) for one in arrivals if one.name in known]
    ours = [(one, found) for one, found in met if census.service(found, config) == one.service]
    asleep = [one.name for one, found in ours if _asleep(one, found)]
    changed = [(one, found) for one, found in ours if one.name not in asleep and _changed(one, found)]
    if changed:
        await door.call("host.update", [_renewed(one, found) for one, found in changed])
        await _tidy(door, [found for _, found in changed])
    foreign = [one.name for one, found in met if (one, found) not in ours]
    return Enrolled(made, foreign + hidden, asleep)


async def _create(
    door: api.Api, config: settings.Settings, new: Sequence[Arrival]
) -> tuple[list[str], list[str]]:
    """Return the names of the hosts that were made, and of those that are there and hidden from the keeper."""
    if not new:
        return [], []
    places = {service: await _places(door, config, service) for service in {one.service for one in new}}
    try:
        made = await door.call("host.create", [_host(one, places[one.service]) for one in new])
    except errors.Permanent as error:
        # One of several forwarders was faster with some of them, and Zabbix makes all or none.
        met = await census.named(door, [one.name for one in new])
        left = [one for one in new if one.name not in met]
        if len(left) < len(new):
            return await _create(door, config, left)
        if len(new) == 1 and _EXISTS in str(error):
            return [], [new[0].name]
        raise
    doubled = await _take_back(door, dict(zip((one.name for one in new), made["hostids"], strict=True)))
    alone = [one.name for one in new if one.name not in doubled]
    if not doubled:
        return alone, []
    await asyncio.sleep(random.uniform(0, APART))  # noqa: S311 - no secret
    known = await census.named(door, doubled)
    again = [one for one in new if one.name in doubled and one.name not in known]
    later, hidden = await _create(door, config, again)
    return alone + later, hidden


async def _take_back(door: api.Api, made: Mapping[str, str]) -> set[str]:
    """Delete those of these hosts that are there twice, and return their names. `made`: ids by name.

    Of two that make the same host at once Zabbix lets both, for it looks for the name before it writes. Each one
    that sees the other's takes its own back: never is none left of two unless both saw it, and both try again.
    """
    there = await door.call("host.get", {"filter": {"host": list(made)}, "output": ["hostid", "host"]})
    doubled = {one["host"] for one in there if one["hostid"] != made[one["host"]]}
    if doubled:
        await door.call("host.delete", [made[name] for name in sorted(doubled)])
    return doubled


async def _places(door: api.Api, config: settings.Settings, service: str) -> Places:
    group, template = names.host_group(config, service), names.instance_template(service)
    groups = await door.call("hostgroup.get", {"filter": {"name": [group]}, "output": ["groupid"]})
    templates = await door.call("template.get", {"filter": {"host": [template]}, "output": ["templateid"]})
    if groups and templates:
        return Places(groups[0]["groupid"], templates[0]["templateid"])
    missing = f"template {template!r}" if groups else f"host group {group!r}"
    raise errors.Permanent(
        f"{missing} is not there, or the host keeper may not see it: run `concierge zabbix apply`"
    )


def _host(one: Arrival, places: Places) -> Doc:
    """Return a host without an interface: nothing is asked of an agent."""
    return {
        "host": one.name,
        "groups": [{"groupid": places.group}],
        "templates": [{"templateid": places.template}],
        "tags": census.pairs(_tags(one)),
        **_facts(one),
    }


def _tags(one: Arrival) -> tuple[tuple[str, str], ...]:
    return (census.INSTANCE, (census.SERVICE, one.service))


def _facts(one: Arrival) -> Doc:
    """In the inventory, and not in tags, which would be on every problem."""
    courier = f"concierge-courier {one.courier}" if one.courier else ""
    inventory = {"type": "container", "software": one.image, "software_app_a": courier, "tag": one.boot[:64]}
    return {"inventory_mode": 0, "inventory": inventory}


def _asleep(one: Arrival, found: Found) -> bool:
    return found.ended is not None and found.boot == one.boot and not one.running


def _changed(one: Arrival, found: Found) -> bool:
    return found.ended is not None or found.boot != one.boot or _stray(found)


def _stray(found: Found) -> bool:
    """Whether it registered itself. The group shows only to a keeper who may see it, and stays where he may not."""
    return STRAY in found.groups.values() or bool(found.interfaces and not found.boot)


def _renewed(one: Arrival, found: Found) -> Doc:
    """Return what makes the host that of a running instance; one that somebody else disabled stays so."""
    kept = [pair for pair in found.tags if pair[0] not in {census.ENDED, census.REASON}]
    doc: Doc = {"hostid": found.id, "tags": census.pairs([*kept, *_tags(one)]), **_facts(one)}
    if found.ended is not None:
        doc["status"] = 0
    if found.description.startswith(SAID):
        doc["description"] = ""
    return doc


async def _tidy(door: api.Api, hosts: Sequence[Found]) -> None:
    """Take away what registering itself gave a host beside what it needs: a group, and an agent's interface."""
    for found in hosts:
        if not _stray(found):
            continue
        left = [{"groupid": number} for number, name in found.groups.items() if name != STRAY]
        try:
            await door.call("host.update", {"hostid": found.id, "groups": left, "interfaces": []})
        except errors.Permanent:  # an item of somebody else's template uses the interface
            await door.call("host.update", {"hostid": found.id, "groups": left})
