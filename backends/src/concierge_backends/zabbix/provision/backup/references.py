"""Ids to names and back: an id means something on its own server alone."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from concierge_backends.zabbix.provision import ledger
from concierge_backends.zabbix.provision.ledger import Doc
from concierge_proto import errors


class Sort(NamedTuple):
    """What an id points at, and the field by which a person knows it."""

    title: str
    api: str
    id: str
    name: str


SORTS = (
    Sort("host group", "hostgroup", "groupid", "name"),
    Sort("template", "template", "templateid", "host"),
    Sort("host", "host", "hostid", "host"),
    Sort("media type", "mediatype", "mediatypeid", "name"),
    Sort("user", "user", "userid", "username"),
    Sort("user group", "usergroup", "usrgrpid", "name"),
    Sort("script", "script", "scriptid", "name"),
    Sort("trigger", "trigger", "triggerid", "description"),
    Sort("discovery rule", "drule", "druleid", "name"),
)
BY_ID = {sort.id: sort for sort in SORTS}
BY_TITLE = {sort.title: sort for sort in SORTS}
CONDITIONS = {
    "0": BY_TITLE["host group"],
    "1": BY_TITLE["host"],
    "2": BY_TITLE["trigger"],
    "13": BY_TITLE["template"],
    "18": BY_TITLE["discovery rule"],
}
"""Type of an action's condition to what its value is the id of."""
Turn = Callable[[Any], Awaitable[Any]]


class Outward:
    """Ids to references: `{"ref": "user", "name": "concierge"}`, a trigger with its host."""

    def __init__(self, book: ledger.Ledger) -> None:
        self._book = book
        self._known: dict[tuple[str, str], Doc] = {}

    async def turn(self, value: Any) -> Any:
        """Return the document with a reference for every id in it."""
        if isinstance(value, list):
            return [await self.turn(one) for one in value]
        if not isinstance(value, dict):
            return value
        return {field: await self._field(field, inner, value) for field, inner in value.items()}

    async def _field(self, field: str, value: Any, doc: Doc) -> Any:
        sort = BY_ID.get(field)
        if field == "value" and "conditiontype" in doc:
            sort = CONDITIONS.get(doc["conditiontype"])
        # 0 is nobody, or everybody.
        return await self._name(sort, value) if sort and value != "0" else await self.turn(value)

    async def _name(self, sort: Sort, number: str) -> Doc:
        if (sort.title, number) not in self._known:
            self._known[sort.title, number] = await self._read(sort, number)
        return self._known[sort.title, number]

    async def _read(self, sort: Sort, number: str) -> Doc:
        hosts = {"selectHosts": ["host"]} if sort.api == "trigger" else {}
        found = await self._book.find(f"{sort.api}.get", {f"{sort.id}s": [number], **hosts})
        if not found:
            raise errors.Permanent(
                f"{sort.title} {number} is referred to, and is not there: repair that in Zabbix"
            )
        reference = {"ref": sort.title, "name": found[0][sort.name]}
        return reference | ({"host": found[0]["hosts"][0]["host"]} if hosts else {})


class Inward:
    """References to the ids of this server."""

    def __init__(self, book: ledger.Ledger) -> None:
        self._book = book
        self.missing: list[str] = []
        """What is referred to and is not here."""

    async def turn(self, value: Any) -> Any:
        """Return the document with an id for every reference in it."""
        if isinstance(value, list):
            return [await self.turn(one) for one in value]
        if not isinstance(value, dict):
            return value
        if "ref" in value:
            return await self._id(value)
        return {field: await self.turn(inner) for field, inner in value.items()}

    async def _id(self, reference: Doc) -> str:
        sort = BY_TITLE[reference["ref"]]
        question: Doc = {"filter": {sort.name: [reference["name"]]}}
        if "host" in reference:
            question["filter"]["host"] = [reference["host"]]
        found = await self._book.find(f"{sort.api}.get", question)
        if found:
            return str(found[0][sort.id])
        name = str(reference["name"])
        self.missing.append(f"{sort.title} {name!r}")
        return ledger.NEW + name
