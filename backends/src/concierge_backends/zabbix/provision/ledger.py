"""What is wanted against what is found: only the difference is written, and a plan writes nothing."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import msgspec

NEW = "new:"
"""How the id begins of what a plan would create."""

SUBJECTS = ("id", "mediatypeid")
"""What an entry of a shared list is about: a right, a medium."""

BATCH = 500
"""Objects that are deleted in one call."""

Doc = dict[str, Any]
"""An object as Zabbix's API takes it."""


class Change(msgspec.Struct, frozen=True):
    """What was done, or in a plan would be done, about one object."""

    change: Literal["create", "update", "delete", "none"]
    kind: str
    name: str
    before: dict[str, Any] = {}
    """The fields that an update changes, as they were found."""
    after: dict[str, Any] = {}
    """The same fields, as they are wanted."""


def update(kind: str, name: str, before: Doc, after: Doc) -> Change:
    """Return the change from one document to another; "none" where they say the same."""
    fields = [field for field in {**before, **after} if before.get(field) != after.get(field)]
    if not fields:
        return Change("none", kind, name)
    old, new = ({field: doc.get(field) for field in fields} for doc in (before, after))
    return Change("update", kind, name, old, new)


class Kind(NamedTuple):
    """A sort of object in the API."""

    title: str
    api: str
    """Its methods are `api.create`, `api.update`."""
    id: str
    name: str
    """The field by which ours is found again."""
    fixed: tuple[str, ...] = ()
    """Fields that are given at creation and never compared."""
    shared: tuple[str, ...] = ()
    """Lists to which others may add: ours must be among them."""
    hidden: tuple[str, ...] = ()
    """Fields that cannot be read back: never compared, and written with every update."""
    suffix: str = ""
    """`global` for `usermacro.createglobal`."""


class Door(Protocol):
    """Zabbix's API."""

    seven: bool

    async def call(self, method: str, params: Any) -> Any: ...


class Ledger:
    """Makes the server as it is wanted, and writes down each change. Raises Temporary, Permanent."""

    def __init__(self, door: Door, *, dry_run: bool) -> None:
        self._door = door
        self.dry = dry_run
        self.changes: list[Change] = []
        self.written = 0
        """How many of the changes are made for certain."""

    @property
    def seven(self) -> bool:
        return self._door.seven

    async def find(self, method: str, params: Mapping[str, Any], *parents: str) -> list[Doc]:
        """Return what there is; nothing below a parent that a plan has only imagined."""
        if any(parent.startswith(NEW) for parent in parents):
            return []
        found: list[Doc] = await self._door.call(method, {"output": "extend", **params})
        return found

    async def ask(self, method: str, params: Mapping[str, Any]) -> Any:
        """Return the answer of a method that changes nothing."""
        return await self._door.call(method, params)

    async def write(self, method: str, params: Any) -> Any:
        """Call a method that changes something; a plan does not, and gets None."""
        if self.dry:
            return None
        answer = await self._door.call(method, params)
        self.written = len(self.changes)
        return answer

    async def settle(self, kind: Kind, wanted: Sequence[Doc], found: Sequence[Doc]) -> dict[str, str]:
        """Create what is missing, update what differs; return the ids by name."""
        have = {doc[kind.name]: doc for doc in found}
        ids = {name: str(doc[kind.id]) for name, doc in have.items()}
        missing = [doc for doc in wanted if doc[kind.name] not in have]
        updates = []
        for doc in wanted:
            if old := have.get(doc[kind.name]):
                updates += self._update(kind, old, doc)
        ids |= await self._create(kind, missing)
        if updates:
            await self.write(f"{kind.api}.update{kind.suffix}", updates)
        return {doc[kind.name]: ids[doc[kind.name]] for doc in wanted}

    def _update(self, kind: Kind, old: Doc, doc: Doc) -> list[Doc]:
        name, changed = str(doc[kind.name]), difference(kind, old, doc)
        self.changes.append(update(kind.title, name, {field: old.get(field) for field in changed}, changed))
        hidden = {field: doc[field] for field in kind.hidden}
        return [{kind.id: old[kind.id], **hidden, **changed}] if changed else []

    async def _create(self, kind: Kind, docs: Sequence[Doc]) -> dict[str, str]:
        names = [str(doc[kind.name]) for doc in docs]
        self.changes += [Change("create", kind.title, name) for name in names]
        made = await self.write(f"{kind.api}.create{kind.suffix}", list(docs)) if docs else None
        if made is None:
            return {name: NEW + name for name in names}
        return dict(zip(names, map(str, made[f"{kind.id}s"]), strict=True))

    async def remove(self, kind: Kind, found: Sequence[Doc]) -> None:
        """Delete these, some hundreds at a time."""
        for start in range(0, len(found), BATCH):
            batch = found[start : start + BATCH]
            self.changes += [Change("delete", kind.title, str(doc[kind.name])) for doc in batch]
            await self.write(f"{kind.api}.delete{kind.suffix}", [doc[kind.id] for doc in batch])


def difference(kind: Kind, old: Doc, doc: Doc) -> Doc:
    """Return the fields to write."""
    changed: Doc = {}
    for field, want in doc.items():
        have = old.get(field)
        if field in kind.fixed or field in kind.hidden or same(have, want):
            continue
        if field in kind.shared:
            missing = [one for one in want if not any(same(other, one) for other in have or ())]
            if missing:
                others = [other for other in have or () if not _replaced(other, missing)]
                changed[field] = [{key: other[key] for key in want[0]} for other in others] + missing
        else:
            changed[field] = want
    return changed


def _replaced(other: Doc, ours: list[Doc]) -> bool:
    """Whether one of ours is about the same object, and says something else of it."""
    return any(key in other and same(other[key], one[key]) for one in ours for key in SUBJECTS if key in one)


def same(have: Any, want: Any) -> bool:
    r"""Compare what the API returns with what was given: text for numbers, more fields, another order, "\r\n"."""
    if isinstance(want, dict):
        return isinstance(have, dict) and all(same(have.get(key), value) for key, value in want.items())
    if isinstance(want, list):
        return isinstance(have, list) and len(have) == len(want) and _pair(have, want)
    return str(have).replace("\r\n", "\n") == str(want)


def _pair(have: list[Any], want: list[Any]) -> bool:
    left = list(have)
    for one in want:
        match = next((other for other in left if same(other, one)), None)
        if match is None:
            return False
        left.remove(match)
    return True
