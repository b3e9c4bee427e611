"""The hosts of a Zabbix in memory, behind its API: as much of it as the host keeper uses."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from concierge_proto import errors

Doc = dict[str, Any]
T = TypeVar("T")


class House:
    """A door and a session at once. `faults` are raised by the next calls of a method, one each."""

    seven = True

    def __init__(self) -> None:
        self.hosts: dict[str, Doc] = {}
        self.problems: list[Doc] = []
        self.calls: list[tuple[str, Any]] = []
        self.faults: dict[str, list[Exception]] = {}
        self.hidden: set[str] = set()
        """Names of hosts that the keeper may not see."""
        self.refused: set[str] = set()
        """Names that Zabbix takes for no host."""

    async def call(self, method: Any, params: Any = None) -> Any:
        """Answer a method; as a session, call `work` with the door."""
        if params is None and callable(method):
            return await self.work(method)
        self.calls.append((method, params))
        if self.faults.get(method):
            raise self.faults[method].pop(0)
        return getattr(self, method.replace(".", "_"))(params)

    async def work(self, work: Callable[["House"], Awaitable[T]]) -> T:
        return await work(self)

    def methods(self) -> list[str]:
        return [method for method, _ in self.calls if not method.endswith(".get")]

    def add(self, name: str, **more: Any) -> Doc:
        doc = {
            "hostid": str(len(self.hosts) + 1),
            "host": name,
            "status": "0",
            "description": "",
            "tags": [{"tag": "concierge", "value": "instance"}, {"tag": "service", "value": "web"}],
            "inheritedTags": [],
            "hostgroups": [{"groupid": "7", "name": "Concierge/web"}],
            "interfaces": [],
            "inventory": {"tag": "b1"},
        }
        self.hosts[name] = doc | more
        return self.hosts[name]

    def tag(self, name: str, tag: str) -> str:
        tags = {one["tag"]: one["value"] for one in self.hosts[name]["tags"]}
        return str(tags.get(tag, ""))

    def host_get(self, params: Doc) -> list[Doc]:
        wanted = params["filter"]
        asked = {one["tag"] for one in params.get("tags", ()) if one["operator"] == 4}
        return [
            doc
            for name, doc in self.hosts.items()
            if name not in self.hidden
            and name in wanted.get("host", [name])
            and int(doc["status"]) == wanted.get("status", int(doc["status"]))
            and asked <= {one["tag"] for one in doc["tags"]}
        ]

    def host_create(self, docs: list[Doc]) -> Doc:
        for doc in docs:
            if doc["host"] in self.refused:
                raise errors.Permanent(f'Invalid parameter "/1/host": {doc["host"]}')
            if doc["host"] in self.hosts:
                raise errors.Permanent(f'Host with the same name "{doc["host"]}" already exists.')
        made = [self.add(doc["host"], tags=doc["tags"], inventory=doc["inventory"]) for doc in docs]
        return {"hostids": [doc["hostid"] for doc in made]}

    def host_update(self, docs: list[Doc] | Doc) -> None:
        for doc in docs if isinstance(docs, list) else [docs]:
            (found,) = (one for one in self.hosts.values() if one["hostid"] == doc["hostid"])
            found.update(doc)

    def host_delete(self, ids: list[str]) -> None:
        self.hosts = {name: doc for name, doc in self.hosts.items() if doc["hostid"] not in ids}

    def hostgroup_get(self, _: Doc) -> list[Doc]:
        return [{"groupid": "7"}]

    def template_get(self, _: Doc) -> list[Doc]:
        return [{"templateid": "8"}]

    def problem_get(self, params: Doc) -> list[Doc]:
        return [one for one in self.problems if one["hostid"] in params["hostids"]]

    def trigger_get(self, params: Doc) -> list[Doc]:
        return [
            {"triggerid": one["objectid"], "hosts": [{"hostid": "99"}, {"hostid": one["hostid"]}]}
            for one in self.problems
            if one["objectid"] in params["triggerids"] and one["closable"]
        ]

    def event_acknowledge(self, params: Doc) -> None:
        self.problems = [one for one in self.problems if one["eventid"] not in params["eventids"]]
