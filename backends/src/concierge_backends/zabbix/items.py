"""Which items each host has, asked of the API: many hosts in one call, and kept until somebody needs it newer."""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from concierge_backends.zabbix import api, traits
from concierge_proto import errors

GATHER = 0.02
"""Seconds in which the questions of several hosts become one."""
TOGETHER = 50
"""Hosts of one question, where the answers are short."""
LIMIT = 10.0
"""Seconds of one question; delivery waits for it."""
BLIND = 30.0
"""Seconds without questions after one that failed."""
MOST = 500_000
"""Items remembered; the hosts longest not asked for are forgotten."""

_log = logging.getLogger(__name__)


class Known(NamedTuple):
    """The items of one host, as the API told them at `at` (monotonic)."""

    items: frozenset[str]
    """All keys."""
    troubled: dict[str, str]
    """Key to why it takes no value, of those that do not."""
    trouble: str
    """Why the host takes none at all; "" when it does."""
    at: float

    def size(self) -> int:
        return len(self.items)


class Answer(Protocol):
    """What is remembered, and how much of the memory it takes."""

    def size(self) -> int: ...


T = TypeVar("T", bound=Answer)
Door = Callable[[], Awaitable[api.Api]]
Question = Callable[[api.Api, list[str]], Awaitable[dict[str, T]]]


class Asked(Generic[T]):
    """One question about many hosts."""

    def __init__(self, door: Door, question: Question[T], together: int = TOGETHER) -> None:
        self._door = door
        self._together = together
        self._question = question
        self._answers: OrderedDict[str, tuple[T, float]] = OrderedDict()
        self._held = 0
        self._waiting: dict[str, asyncio.Future[T | None]] = {}
        self._asking: asyncio.Task[None] | None = None
        self._blind_until = 0.0

    async def close(self) -> None:
        if self._asking:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    def last(self, host: str) -> T | None:
        """Return what was answered last, whenever that was."""
        return self._answers[host][0] if host in self._answers else None

    def forget(self, host: str) -> None:
        """It has ended."""
        if host in self._answers:
            self._held -= self._answers.pop(host)[0].size()

    async def about(self, host: str, since: float) -> T | None:
        """Return an answer not older than `since` (monotonic); None when there is none to be had now."""
        if host in self._answers and self._answers[host][1] >= since:
            return self._answers[host][0]
        if time.monotonic() < self._blind_until:
            return None
        waiting = self._waiting.setdefault(host, asyncio.get_running_loop().create_future())
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask(), name="zabbix items")
        return await asyncio.shield(waiting)

    async def _ask(self) -> None:
        while self._waiting:
            await asyncio.sleep(GATHER)
            some = list(self._waiting)[: self._together]
            answers = await self._safely(some)
            for host in some:
                self._waiting.pop(host).set_result(answers.get(host))

    async def _safely(self, some: list[str]) -> dict[str, T]:
        began = time.monotonic()
        try:
            async with asyncio.timeout(LIMIT):
                answers = await self._question(await self._door(), some)
        except (errors.Temporary, errors.Permanent, TimeoutError) as error:
            self._blind_until = time.monotonic() + BLIND
            _log.warning("cannot ask Zabbix for its items: %s", error or f"no answer within {LIMIT:g} s")
            return {}
        for host, answer in answers.items():
            self._remember(host, answer, began)
        return answers

    def _remember(self, host: str, answer: T, at: float) -> None:
        if host in self._answers:
            self._held -= self._answers.pop(host)[0].size()
        self._answers[host] = answer, at
        self._held += answer.size()
        while self._held > MOST and len(self._answers) > 1:
            self._held -= self._answers.popitem(last=False)[1][0].size()


async def hosts(door: api.Api, names: list[str]) -> dict[str, dict[str, Any]]:
    """Return the hosts of these names that exist and may be read, by their id."""
    found = await door.call(
        "host.get",
        {"filter": {"host": names}, "output": "extend"},
    )
    return {host["hostid"]: host for host in found}


async def known(way: int, door: api.Api, names: list[str]) -> dict[str, Known]:
    """Return all keys of these hosts; a host that the token cannot read is left out. `way`: see `traits`."""
    at = time.monotonic()
    found = await hosts(door, names)
    output = ["hostid", "key_", "status", "type", "allow_traps", "trapper_hosts"]
    listed = await door.call("item.get", {"hostids": list(found), "output": output}) if found else []
    return {
        host["host"]: _known(_of(listed, hostid), traits.unmonitored(host, way), at)
        for hostid, host in found.items()
    }


def _known(listed: Collection[dict[str, Any]], trouble: str, at: float) -> Known:
    troubled = {item["key_"]: why for item in listed if (why := traits.trouble(item))}
    return Known(frozenset(item["key_"] for item in listed), troubled, trouble, at)


async def kinds(door: api.Api, names: list[str]) -> dict[str, traits.Traits]:
    """Return what is special about items of these hosts: few, where most are discovered numbers."""
    found = await hosts(door, names)
    if not found:
        return {}
    read = {
        "hostids": list(found),
        "output": ["hostid", "key_", "value_type"],
        "selectPreprocessing": ["type"],
    }
    plain = await door.call("item.get", {**read, "filter": {"flags": 0}})
    made = await door.call("item.get", {**read, "filter": {"flags": 4, "value_type": [1, 2, 3, 4]}})
    watched = await door.call(
        "item.get", {"hostids": list(found), "with_triggers": True, "output": ["hostid", "key_"]}
    )
    return {
        host["host"]: traits.gather(_of(plain + made, hostid), _of(watched, hostid), cuts=door.seven)
        for hostid, host in found.items()
    }


def _of(items: list[dict[str, Any]], hostid: str) -> Collection[dict[str, Any]]:
    return [item for item in items if item["hostid"] == hostid]
