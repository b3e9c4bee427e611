"""Brings the library's templates in: Zabbix itself compares them with what it has, and imports all or nothing."""

from collections.abc import Container, Iterator
from typing import Any

import msgspec

from concierge_backends.zabbix.provision import ledger
from concierge_backends.zabbix.provision.ledger import Doc
from concierge_backends.zabbix.provision.library import document as templates
from concierge_proto import settings

KINDS = {
    "groups": "host group",
    "host_groups": "host group",
    "template_groups": "template group",
    "templates": "template",
    "items": "item",
    "discovery_rules": "discovery rule",
    "item_prototypes": "item prototype",
    "triggers": "trigger",
    "trigger_prototypes": "trigger prototype",
}
"""Sections of an export that hold elements with a uuid."""
NAMES = ("template", "host", "key", "name")
"""Fields by which an element of an export is known, the best first."""
_OURS = {"createMissing": True, "updateExisting": True}
RULES: Doc = dict.fromkeys(("templates", "items", "discoveryRules", "triggers"), _OURS)
"""Nothing is deleted: what somebody added to a template of ours stays."""


def rules(*, seven: bool) -> Doc:
    groups = "template_groups" if seven else "groups"
    return {**RULES, "templateLinkage": {"createMissing": True}, groups: _OURS}


async def settle(book: ledger.Ledger, config: settings.Settings) -> dict[str, str]:
    """Make the templates as the library has them; return their ids by name."""
    chosen = {name: service.items for name, service in config.services.items()}
    wanted = templates.build(chosen, seven=book.seven)
    told = {
        one.uuid: one for one in _told(await book.ask("configuration.importcompare", _order(book, wanted)))
    }
    found = [_change(kind, doc, told.get(doc["uuid"])) for kind, doc in _elements(wanted["zabbix_export"])]
    book.changes += found
    if any(change.change != "none" for change in found):
        await book.write("configuration.import", _order(book, needed(wanted, told)))
    return await _ids(book, [doc["template"] for doc in wanted["zabbix_export"]["templates"]])


def _order(book: ledger.Ledger, document: Doc) -> Doc:
    source = msgspec.json.encode(document).decode()
    return {"format": "json", "source": source, "rules": rules(seven=book.seven)}


def needed(document: Doc, changed: Container[str]) -> Doc:
    """Return the document without the templates and triggers in which nothing changes: an import takes its time.

    A trigger is imported only together with the template that it is about.
    """
    export = document["zabbix_export"]
    triggers = [doc for doc in export["triggers"] if doc["uuid"] in changed]
    templates = [
        doc
        for doc in export["templates"]
        if any(one["uuid"] in changed for one in _with(doc))
        or any(f"(/{doc['template']}/" in trigger["expression"] for trigger in triggers)
    ]
    parts = {"templates": templates, "triggers": triggers}
    return {"zabbix_export": {name: value for name, value in {**export, **parts}.items() if value}}


def _with(doc: Doc) -> Iterator[Doc]:
    yield doc
    yield from (inner for _, inner in _elements(doc))


async def _ids(book: ledger.Ledger, wanted: list[str]) -> dict[str, str]:
    found = await book.find("template.get", {"filter": {"host": wanted}, "output": ["host"]})
    ids = {doc["host"]: str(doc["templateid"]) for doc in found}
    return {name: ids.get(name, ledger.NEW + name) for name in wanted}


def said(sections: Any) -> list[ledger.Change]:
    """Return what an import would add or update, from `configuration.importcompare`; `[]` where that is nothing."""
    return [
        change
        for section, found in dict(sections).items()
        if section not in {"before", "after"}
        for entry in [*found.get("added", ()), *found.get("updated", ())]
        for change in (*_said(section, entry), *said(entry))
    ]


def _said(section: str, entry: Doc) -> Iterator[ledger.Change]:
    after = entry["after"]
    name = str(next((after[field] for field in NAMES if field in after), section))
    kind = KINDS.get(section, section.replace("_", " ").removesuffix("s"))
    if "before" not in entry:
        yield ledger.Change("create", kind, name)
    elif entry["before"] != after:
        yield ledger.update(kind, name, entry["before"], after)


class _Told(msgspec.Struct):
    uuid: str
    before: Doc
    after: Doc


def _told(sections: Any) -> Iterator[_Told]:
    """Yield what Zabbix would add or update; it says `[]` where that is nothing."""
    for section, found in dict(sections).items():
        if section in KINDS:
            for entry in [*found.get("added", ()), *found.get("updated", ())]:
                yield _Told(entry["after"]["uuid"], entry.get("before", {}), entry["after"])
                yield from _told(entry)


def _elements(doc: Doc) -> Iterator[tuple[str, Doc]]:
    for section, kind in KINDS.items():
        for element in doc.get(section, ()):
            # A template names its groups without a uuid: they stand above.
            if "uuid" in element:
                yield kind, element
                yield from _elements(element)


def _change(kind: str, doc: Doc, told: _Told | None) -> ledger.Change:
    name = doc.get("template") or doc.get("key") or doc["name"]
    if told is None:
        return ledger.Change("none", kind, name)
    if not told.before:
        return ledger.Change("create", kind, name)
    return ledger.update(kind, name, told.before, told.after)
