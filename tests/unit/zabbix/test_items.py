"""Many hosts in one question, and none while the API does not answer."""

import asyncio
import functools
from typing import Any, cast

import pytest

from concierge_backends.zabbix import api, hosts, inquiry, items, packets
from concierge_proto import errors


class Door:
    """An API with these hosts, whose items are these keys."""

    seven = True

    def __init__(self, found: dict[str, list[str]]) -> None:
        self.found = found
        self.calls: list[tuple[str, Any]] = []
        self.error: Exception | None = None

    async def __call__(self) -> api.Api:
        return cast("api.Api", self)

    async def call(self, method: str, params: Any) -> Any:
        self.calls.append((method, params))
        if self.error:
            raise self.error
        return getattr(self, method.replace(".", "_"))(params)

    def host_get(self, params: Any) -> list[dict[str, str]]:
        plain = {"status": "0", "maintenance_status": "0", "maintenance_type": "0", "tls_accept": "1"}
        return [
            {**plain, "hostid": f"id {name}", "host": name}
            for name in params["filter"]["host"]
            if name in self.found
        ]

    def item_get(self, params: Any) -> list[dict[str, Any]]:
        plain = {"status": "0", "type": "2", "trapper_hosts": "", "value_type": "0", "preprocessing": []}
        return [
            {**plain, "hostid": hostid, "key_": key}
            for hostid in params["hostids"]
            for key in self.found[hostid.removeprefix("id ")]
            if not params.get("with_triggers") and not params.get("filter")
        ]

    def history_push(self, params: Any) -> dict[str, Any]:
        return {"data": [{"error": "Odd."} if row["key"] == "odd" else {} for row in params]}


def rows(*keys: str) -> list[packets.Row]:
    return [packets.Row("a", key, "1", 1_700_000_000, 1) for key in keys]


async def test_hosts_that_ask_at_once_are_one_question() -> None:
    door = Door({"a": ["x"], "b": []})
    asked = items.Asked(door, functools.partial(items.known, 1))
    found = await asyncio.gather(*(asked.about(name, 0) for name in "abc"))
    assert [one and list(one.items) for one in found] == [["x"], [], None]
    assert [method for method, _ in door.calls] == ["host.get", "item.get"]
    assert await asked.about("a", 0) == found[0]
    assert len(door.calls) == 2


@pytest.mark.parametrize("error", [errors.Temporary("away"), errors.Permanent("no rights")])
async def test_after_a_failure_nobody_is_asked_for_a_while(
    error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    door = Door({"a": ["x"]})
    door.error = error
    asked = items.Asked(door, functools.partial(items.known, 1))
    assert [await asked.about("a", 0) for _ in range(3)] == [None] * 3
    assert len(door.calls) == 1
    assert str(error) in caplog.text
    door.error = None
    monkeypatch.setattr(asked, "_blind_until", 0)
    assert await asked.about("a", 0)


async def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(items, "MOST", 3)
    door = Door({"a": ["x", "y"], "b": ["x", "y"]})
    asked = items.Asked(door, functools.partial(items.known, 1))
    await asked.about("a", 0)
    await asked.about("b", 0)
    assert asked.last("a") is None
    assert asked.last("b")


async def nobody(host: str, sent: Any) -> int:
    raise AssertionError("not asked by parts")


async def test_missing_items_explain_a_reply_and_are_asked_for_once() -> None:
    door, host = Door({"a": ["x"]}), hosts.Host("a", "web")
    found = inquiry.Inquiry(door, nobody, 1)
    for _ in range(3):
        assert await found.missed(host, rows("x", "y"), 1) == inquiry.Missed({"y"}, {})
    assert len(door.calls) == 2


async def test_a_reply_that_nothing_explains_is_left_open_while_the_host_is_young() -> None:
    door, host = Door({"a": ["x", "odd"]}), hosts.Host("a", "web")
    host.grow(1e12)
    found = await inquiry.Inquiry(door, nobody, 1).missed(host, rows("x", "odd"), 1)
    assert found == inquiry.Missed(set(), {}, sure=False)


async def test_then_single_values_are_asked_about_and_not_again_soon() -> None:
    door, host = Door({"a": ["x", "odd"]}), hosts.Host("a", "web")
    found = inquiry.Inquiry(door, nobody, 1)
    for _ in range(3):
        assert await found.missed(host, rows("x", "odd"), 1) == inquiry.Missed(
            set(), {"odd": "refused: Odd."}
        )
    assert [method for method, _ in door.calls].count("history.push") == 1


async def test_without_an_api_parts_are_sent_until_the_missing_ones_are_found() -> None:
    sent = []

    async def part(host: str, some: Any) -> int:
        sent.append(some)
        return sum(1 for row in some if row.key != "y")

    host = hosts.Host("a", "web")
    found = inquiry.Inquiry(None, part, 1)
    for _ in range(3):
        assert await found.missed(host, rows("w", "x", "y", "z"), 1) == inquiry.Missed({"y"}, {})
    assert len(sent) == 2
    host.account.silence = 'host "a" not monitored'
    closed = await found.missed(host, rows("x"), 1)
    assert closed.troubled == {"x": "of a host that is disabled"}
