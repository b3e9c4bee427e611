"""Host groups: one for the service hosts, one for the instances of each service.

They are imported, so that those which we made bear a uuid of ours; a group that was there before stays somebody else's.
"""

from collections.abc import Iterable

import msgspec

from concierge_backends.zabbix import names
from concierge_backends.zabbix.provision import ledger
from concierge_backends.zabbix.provision.library import shapes
from concierge_proto import settings

SERVICES = "Concierge services"
KIND = ledger.Kind("host group", "hostgroup", "groupid", "name")


async def settle(book: ledger.Ledger, config: settings.Settings) -> dict[str, str]:
    """Make those that are missing; return the ids by name."""
    wanted = list(dict.fromkeys([SERVICES, *(names.host_group(config, name) for name in config.services)]))
    ids = await _ids(book, wanted)
    ids |= await _renamed(book, [name for name in wanted if name not in ids])
    missing = [name for name in wanted if name not in ids]
    book.changes += [
        ledger.Change("create" if name in missing else "none", KIND.title, name) for name in wanted
    ]
    if missing:
        await book.write("configuration.import", _order(missing, seven=book.seven))
        ids |= await _ids(book, missing)
    return {name: ids.get(name, ledger.NEW + name) for name in wanted}


async def _renamed(book: ledger.Ledger, missing: list[str]) -> dict[str, str]:
    """Give its name back to what is ours by uuid: Zabbix would import no second one."""
    known = {uuid(name): name for name in missing}
    found = await book.find("hostgroup.get", {"filter": {"uuid": list(known)}}) if missing else []
    for doc in found:
        after = {"name": known[doc["uuid"]]}
        book.changes.append(ledger.update(KIND.title, after["name"], {"name": doc["name"]}, after))
        await book.write("hostgroup.update", {"groupid": doc["groupid"], **after})
    return {known[doc["uuid"]]: str(doc["groupid"]) for doc in found}


async def _ids(book: ledger.Ledger, wanted: list[str]) -> dict[str, str]:
    found = await book.find("hostgroup.get", {"filter": {"name": wanted}})
    return {doc["name"]: str(doc["groupid"]) for doc in found}


def _order(missing: Iterable[str], *, seven: bool) -> ledger.Doc:
    section = "host_groups" if seven else "groups"
    groups = [{"uuid": uuid(name), "name": name} for name in missing]
    export = {"version": "7.0" if seven else "6.0", section: groups}
    return {
        "format": "json",
        "source": msgspec.json.encode({"zabbix_export": export}).decode(),
        "rules": {section: {"createMissing": True, "updateExisting": False}},
    }


def uuid(name: str) -> str:
    return shapes.uuid("group", name)
