"""Writes down what is ours, or all there is: templates, groups, hosts, media types and actions."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import msgspec

from concierge_backends.zabbix.provision import groups, ledger, media, ours
from concierge_backends.zabbix.provision.backup import references, steps
from concierge_backends.zabbix.provision.ledger import Doc

AT_ONCE = 20
"""Templates of one export: one of all templates of a new server takes longer than anybody waits."""
SOURCES = ["0", "2"]
"""Actions on triggers, and on auto-registration."""


class Saved(msgspec.Struct, kw_only=True):
    """A back-up."""

    zabbix: str
    """Version whose form the parts have: 6.0 or 7.0."""
    parts: list[Doc]
    """Exports of Zabbix's own, in the order in which one needs the other."""
    actions: list[Doc]
    """As `action.create` takes them, with references for ids."""


async def ours_alone(book: ledger.Ledger) -> Saved:
    """Save what `apply` made, without users and secrets; the hosts of instances come by themselves."""
    templates = await ours.templates(book)
    made = await ours.made_groups(book, groups.KIND)
    hosts = [host for host in await ours.hosts(book, templates, made) if ours.tagged(host, "service")]
    types = await book.find("mediatype.get", {"filter": {"name": [media.NAME]}})
    acts = [doc["actionid"] for doc in await ours.actions(book, templates)]
    return await _save(book, made, templates, hosts, types, {"actionids": acts})


async def everything(book: ledger.Ledger) -> Saved:
    """Save all templates, groups, hosts, media types, and the actions on triggers and auto-registration."""
    made = await book.find("hostgroup.get", {"output": ["groupid"]})
    templates = await book.find("template.get", {"output": ["templateid"]})
    hosts = await book.find("host.get", {"output": ["hostid"]})
    types = await book.find("mediatype.get", {"output": ["mediatypeid"]})
    return await _save(book, made, templates, hosts, types, {"filter": {"eventsource": SOURCES}})


async def _save(
    book: ledger.Ledger, made: list[Doc], templates: list[Doc], hosts: list[Doc], types: list[Doc], acts: Doc
) -> Saved:
    sections = [
        ("host_groups" if book.seven else "groups", [doc["groupid"] for doc in made]),
        ("mediaTypes", [doc["mediatypeid"] for doc in types]),
    ]
    ordered = await parents_first(book, [doc["templateid"] for doc in templates])
    sections += [("templates", part) for part in _chunks(ordered)]
    sections += [("hosts", part) for part in _chunks([doc["hostid"] for doc in hosts])]
    parts = [await export(book, section, ids) for section, ids in sections if ids]
    return Saved(zabbix="7.0" if book.seven else "6.0", parts=parts, actions=await _actions(book, acts))


async def export(book: ledger.Ledger, section: str, ids: list[str]) -> Doc:
    text = await book.ask("configuration.export", {"format": "json", "options": {section: ids}})
    found: Doc = msgspec.json.decode(text)
    found["zabbix_export"].pop("date", None)
    return found


async def parents_first(book: ledger.Ledger, ids: list[str]) -> list[str]:
    found = await book.find("template.get", {"templateids": ids, "selectParentTemplates": ["templateid"]})
    parents = {doc["templateid"]: [one["templateid"] for one in doc["parentTemplates"]] for doc in found}

    def depth(number: str) -> int:
        return max((1 + depth(parent) for parent in parents.get(number, ())), default=0)

    return sorted(parents, key=depth)


async def _actions(book: ledger.Ledger, which: Doc) -> list[Doc]:
    found = await book.find(
        "action.get",
        {
            **which,
            "selectFilter": "extend",
            "selectOperations": "extend",
            "selectRecoveryOperations": "extend",
            "selectUpdateOperations": "extend",
        },
    )
    outward = references.Outward(book)
    return [await outward.turn(steps.bare(doc)) for doc in sorted(found, key=_name)]


def _name(doc: Doc) -> Any:
    return doc["name"]


def _chunks(ids: Iterable[str]) -> Iterator[list[str]]:
    left = iter(ids)
    while part := list(islice(left, AT_ONCE)):
        yield part
