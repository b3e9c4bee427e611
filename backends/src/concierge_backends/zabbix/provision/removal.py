"""Takes away what is ours, and only that, in an order that leaves the marks of the rest to be found again.

What is ours: by uuid the templates and the groups that we made; by tag and template the hosts; by the media type or
the template that they use, and their name, the actions; by name the media type, the people and the macros.
"""

from typing import Any

from concierge_backends.zabbix.provision import actions, groups, ledger, media, people, services
from concierge_backends.zabbix.provision.ledger import Doc
from concierge_backends.zabbix.provision.library import shapes

PREFIX = "Concierge"
MACROS = "{$CONCIERGE."
NAMES = [media.NAME, *(name for who in people.ALL for name in (who.name, who.user))]
"""Of the media type and the people."""
TEMPLATE = ledger.Kind("template", "template", "templateid", "host")
TEMPLATE_GROUP = ledger.Kind("template group", "templategroup", "groupid", "name")


async def everything(book: ledger.Ledger) -> None:
    """Delete each sort of object after those that use it. Cut off anywhere, it goes on from there."""
    templates = await _templates(book)
    made = await _groups(book, groups.KIND)
    hosts = await _hosts(book, templates, made)
    await book.remove(actions.ACTION, await _actions(book, templates))
    await book.remove(services.HOST, hosts)
    await book.remove(TEMPLATE, templates)
    await book.remove(groups.KIND, await _empty(book, made, hosts, templates))
    if book.seven:
        await book.remove(TEMPLATE_GROUP, await _groups(book, TEMPLATE_GROUP))
    for kind in (people.PERSON, people.GROUP, people.ROLE, media.MEDIA):
        found = await book.find(f"{kind.api}.get", {"filter": {kind.name: NAMES}})
        await book.remove(kind, found)
    params = {"globalmacro": True, "search": {"macro": MACROS}, "startSearch": True}
    await book.remove(media.MACRO, await book.find("usermacro.get", params))


async def _templates(book: ledger.Ledger) -> list[Doc]:
    found = await book.find("template.get", {"search": {"host": PREFIX}, "startSearch": True})
    return [doc for doc in found if doc["uuid"] == shapes.uuid("template", doc["host"])]


async def _groups(book: ledger.Ledger, kind: ledger.Kind) -> list[Doc]:
    found = await book.find(f"{kind.api}.get", {})
    return [doc for doc in found if doc["uuid"] == groups.uuid(doc["name"])]


async def _actions(book: ledger.Ledger, templates: list[Doc]) -> list[Doc]:
    """Return those with our name that tell our media type, or link our templates."""
    found = await book.find(
        "action.get", {"search": {"name": PREFIX}, "startSearch": True, "selectOperations": "extend"}
    )
    types = await book.find("mediatype.get", {"filter": {"name": [media.NAME]}})
    used = {doc["mediatypeid"] for doc in types} | {doc["templateid"] for doc in templates}
    return [doc for doc in found if used & set(_used(doc))]


def _used(action: Doc) -> list[str]:
    operations: list[Doc] = action["operations"]
    told = [one["opmessage"]["mediatypeid"] for one in operations if one.get("opmessage")]
    return told + [doc["templateid"] for one in operations for doc in one.get("optemplate") or ()]


async def _hosts(book: ledger.Ledger, templates: list[Doc], made: list[Doc]) -> list[Doc]:
    """Return the hosts with a template of ours that have our tag, or are in a group that we made."""
    ids = [doc["templateid"] for doc in templates]
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
    return [doc for doc in found if ids and (_tagged(doc) or mine & _member(doc))]


def _tagged(host: Doc) -> bool:
    return any(tag["tag"] == "concierge" for tag in host["tags"])


def _member(host: Doc) -> set[Any]:
    return {group["groupid"] for group in host.get("hostgroups") or host["groups"]}


async def _empty(book: ledger.Ledger, made: list[Doc], *gone: list[Doc]) -> list[Doc]:
    """Return the groups that hold nothing but what goes."""
    theirs = {_id(doc) for docs in gone for doc in docs}
    params = {"groupids": [doc["groupid"] for doc in made], "selectHosts": ["hostid"]}
    if not book.seven:
        params["selectTemplates"] = ["templateid"]
    found = await book.find("hostgroup.get", params)
    return [doc for doc in found if all(_id(one) in theirs for one in _held(doc))]


def _held(group: Doc) -> list[Doc]:
    return [*group["hosts"], *group.get("templates", ())]


def _id(doc: Doc) -> str:
    return str(doc.get("hostid") or doc["templateid"])
