"""Brings a back-up into a server: what is there is set right, what is missing is made, nothing is deleted."""

from typing import NamedTuple

import msgspec

from concierge_backends.zabbix.provision import actions, groups, imports, ledger, media, ours, people
from concierge_backends.zabbix.provision.backup import references, save
from concierge_backends.zabbix.provision.ledger import Doc
from concierge_backends.zabbix.provision.library import document
from concierge_proto import errors

_BOTH = {"createMissing": True, "updateExisting": True}
_SECTIONS = (
    *("discoveryRules", "graphs", "hosts", "httptests", "items", "mediaTypes"),
    *("templateDashboards", "templates", "triggers", "valueMaps"),
)


class Section(NamedTuple):
    """A sort of object as exports call it."""

    title: str
    exported: str
    option: str
    api: str
    id: str
    name: str


UNCOMPARED = (
    Section("host", "hosts", "hosts", "host", "hostid", "host"),
    Section("media type", "media_types", "mediaTypes", "mediatype", "mediatypeid", "name"),
)


def rules(*, seven: bool) -> Doc:
    of_groups = ("host_groups", "template_groups") if seven else ("groups",)
    return {**dict.fromkeys((*_SECTIONS, *of_groups), _BOTH), "templateLinkage": {"createMissing": True}}


def read(text: bytes) -> save.Saved:
    """Raises Malformed."""
    try:
        return msgspec.json.decode(text, type=save.Saved)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise errors.Malformed(f"this is no back-up of `concierge zabbix export`: {error}") from error


async def everything(book: ledger.Ledger, saved: save.Saved) -> None:
    """Import each part, then our people where the back-up has our media type, then the actions. Raises Permanent."""
    if saved.zabbix == "7.0" and not book.seven:
        raise errors.Permanent(
            "this back-up is of Zabbix 7.0, and 6.0 cannot read it: run `concierge zabbix apply`"
        )
    for part in saved.parts:
        await _import(book, part)
    await _people(book)
    await actions_of(book, saved)


async def actions_of(book: ledger.Ledger, saved: save.Saved) -> None:
    """Make the actions, all of them or none."""
    inward = references.Inward(book)
    docs = [await inward.turn(doc) for doc in saved.actions]
    if inward.missing and not book.dry:
        missing = ", ".join(dict.fromkeys(inward.missing))
        raise errors.Permanent(
            f"the actions refer to what is not on this server: {missing}; make that, and run it again"
        )
    await actions.settle(book, docs)


async def _import(book: ledger.Ledger, part: Doc) -> None:
    order = {
        "format": "json",
        "source": msgspec.json.encode(part).decode(),
        "rules": rules(seven=book.seven),
    }
    found = imports.said(await book.ask("configuration.importcompare", order))
    for section in UNCOMPARED:
        found += await _compared(book, section, part["zabbix_export"].get(section.exported, []))
    book.changes += found
    if any(change.change != "none" for change in found):
        await book.write("configuration.import", order)


async def _compared(book: ledger.Ledger, section: Section, wanted: list[Doc]) -> list[ledger.Change]:
    """Compare with an export of what is here: `configuration.importcompare` passes over hosts and media types."""
    names = [doc[section.name] for doc in wanted]
    found = await book.find(f"{section.api}.get", {"filter": {section.name: names}}) if names else []
    ids = [doc[section.id] for doc in found]
    here = (await save.export(book, section.option, ids))["zabbix_export"] if ids else {}
    have = {doc[section.name]: doc for doc in here.get(section.exported, [])}
    return [
        ledger.update(section.title, name, have[name], doc)
        if (name := doc[section.name]) in have
        else ledger.Change("create", section.title, name)
        for doc in wanted
    ]


async def _people(book: ledger.Ledger) -> None:
    """Make the identities that our actions tell; users are in no back-up."""
    types = await book.find("mediatype.get", {"filter": {"name": [media.NAME]}})
    services = await book.find("hostgroup.get", {"filter": {"name": [groups.SERVICES]}})
    if types and services:
        made = [doc for doc in await ours.made_groups(book, groups.KIND) if doc["name"] != document.GROUP]
        kept = {doc["name"]: doc["groupid"] for doc in made + services}
        instances = [name for name in kept if name != groups.SERVICES]
        await people.settle(book, kept, instances, types[0]["mediatypeid"])
