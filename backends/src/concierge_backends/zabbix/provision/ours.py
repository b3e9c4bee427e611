"""How ours is told from what is others'.

By uuid the templates and the groups that we made; by tag and template the hosts; by their name, and by the media type
or the template that they use, the actions.
"""

from typing import Any

from concierge_backends.zabbix.provision import groups, ledger, media
from concierge_backends.zabbix.provision.ledger import Doc
from concierge_backends.zabbix.provision.library import shapes

PREFIX = "Concierge"


async def templates(book: ledger.Ledger) -> list[Doc]:
    found = await book.find("template.get", {"search": {"host": PREFIX}, "startSearch": True})
    return [doc for doc in found if doc["uuid"] == shapes.uuid("template", doc["host"])]


async def made_groups(book: ledger.Ledger, kind: ledger.Kind) -> list[Doc]:
    found = await book.find(f"{kind.api}.get", {})
    return [doc for doc in found if doc["uuid"] == groups.uuid(doc["name"])]


async def actions(book: ledger.Ledger, known: list[Doc]) -> list[Doc]:
    """Return those with our name that tell our media type, or link our templates."""
    found = await book.find(
        "action.get", {"search": {"name": PREFIX}, "startSearch": True, "selectOperations": "extend"}
    )
    types = await book.find("mediatype.get", {"filter": {"name": [media.NAME]}})
    used = {doc["mediatypeid"] for doc in types} | {doc["templateid"] for doc in known}
    return [doc for doc in found if used & set(_used(doc))]


def _used(action: Doc) -> list[str]:
    operations: list[Doc] = action["operations"]
    told = [one["opmessage"]["mediatypeid"] for one in operations if one.get("opmessage")]
    return told + [doc["templateid"] for one in operations for doc in one.get("optemplate") or ()]


async def hosts(book: ledger.Ledger, known: list[Doc], made: list[Doc]) -> list[Doc]:
    """Return the hosts with a template of ours that have our tag, or are in a group that we made."""
    ids = [doc["templateid"] for doc in known]
    found = await book.find(
        "host.get",
        {
            "templateids": ids,
            "output": ["hostid", "host"],
            "selectTags": "extend",
            "selectHostGroups" if book.seven else "selectGroups": ["groupid"],
        },
    )
    mine = {doc["groupid"] for doc in made}
    return [doc for doc in found if ids and (tagged(doc) or mine & _member(doc))]


def tagged(host: Doc, *values: str) -> bool:
    """Whether it has our tag, with one of the values where any are given."""
    found = [tag["value"] for tag in host["tags"] if tag["tag"] == "concierge"]
    return bool(set(values).intersection(found)) if values else bool(found)


def _member(host: Doc) -> set[Any]:
    return {group["groupid"] for group in host.get("hostgroups") or host["groups"]}
