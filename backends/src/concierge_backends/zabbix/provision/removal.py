"""Takes away what is ours, and only that, in an order that leaves the marks of the rest to be found again."""

import re

from concierge_backends.zabbix.provision import actions, groups, ledger, media, ours, people, services, turns
from concierge_backends.zabbix.provision.ledger import Doc
from concierge_proto import errors

MACROS = "{$CONCIERGE."
NAMES = [media.NAME, *(name for who in people.ALL for name in (who.name, who.user))]
"""Of the media type and the people."""
_USED = re.compile(r"\bused\b|\bassigned\b")
"""How Zabbix 6.0 and 7.0 refuse to delete a user, a group, a role or a media type that others need."""
TEMPLATE = ledger.Kind("template", "template", "templateid", "host")
TEMPLATE_GROUP = ledger.Kind("template group", "templategroup", "groupid", "name")


async def everything(book: ledger.Ledger) -> None:
    """Delete each sort of object after those that use it. Cut off anywhere, it goes on from there."""
    templates = await ours.templates(book)
    made = await ours.made_groups(book, groups.KIND)
    hosts = await ours.hosts(book, templates, made)
    await book.remove(actions.ACTION, await ours.actions(book, templates))
    await book.remove(services.HOST, hosts)
    await book.remove(TEMPLATE, templates)
    await book.remove(groups.KIND, await _empty(book, made, hosts, templates))
    if book.seven:
        await book.remove(TEMPLATE_GROUP, await ours.made_groups(book, TEMPLATE_GROUP))
    for kind in (people.PERSON, people.GROUP, people.ROLE, media.MEDIA):
        found = await book.find(f"{kind.api}.get", {"filter": {kind.name: NAMES}})
        await _unused(book, kind, found)
    params = {"globalmacro": True, "search": {"macro": MACROS}, "startSearch": True}
    found = await book.find("usermacro.get", params)
    await book.remove(media.MACRO, [doc for doc in found if doc["macro"] != turns.LOCK])


async def _unused(book: ledger.Ledger, kind: ledger.Kind, found: list[Doc]) -> None:
    """Delete these; where something of somebody else's uses one, say that it is his to take it out."""
    try:
        await book.remove(kind, found)
    except errors.Permanent as error:
        if not _USED.search(str(error)):
            raise
        raise errors.Permanent(
            f"{error} That is not ours: take our {kind.title} out of it, then run destroy again; it goes on from there"
        ) from error


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
