"""Who meets somebody else's work in Zabbix starts again, and reports what all tries did."""

import itertools
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from concierge_backends.zabbix import api
from concierge_backends.zabbix.provision import ledger, turns
from concierge_proto import errors

HOST = ledger.Change("create", "host", "service shop")


class Door:
    """Takes every call, and keeps one global macro."""

    seven = True

    def __init__(self) -> None:
        self.lock: dict[str, str] = {}
        self.lose = ""
        """A method whose next answer is lost: it is done."""

    async def call(self, method: str, params: Any) -> Any:
        answer = self._answer(method, params)
        if method == self.lose:
            self.lose = ""
            raise errors.Temporary(f"the front end died at {method}")
        return answer

    def _answer(self, method: str, params: Any) -> Any:
        match method:
            case "usermacro.get":
                return [self.lock] if self.lock else []
            case "usermacro.createglobal":
                if self.lock:
                    raise api.Taken("Macro already exists.")
                self.lock = {"globalmacroid": "7", **params}
                return {"globalmacroids": ["7"]}
            case "usermacro.deleteglobal":
                self.lock = {}
        return {"hostids": ["1"]}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "PAUSE", 0.0)


@pytest.fixture
def door() -> Door:
    return Door()


async def take(door: Door, work: Callable[[ledger.Ledger], Awaitable[None]]) -> list[ledger.Change]:
    return await turns.take(door, work, dry_run=False)  # type: ignore[arg-type]


async def test_what_an_earlier_try_did_is_reported_as_done(door: Door) -> None:
    tries, gone = itertools.count(), ledger.Change("delete", "trigger", "old")

    async def work(found: ledger.Ledger) -> None:
        await found.write("host.update", {})
        first = next(tries) == 0
        found.changes += [gone, HOST] if first else [ledger.Change("none", "host", "service shop")]
        await found.write("host.create", [{}])
        found.changes.append(ledger.Change("create", "item", "load"))
        if first:
            raise api.Clash("its database refused", 0)

    assert await take(door, work) == [gone, HOST, ledger.Change("create", "item", "load")]
    assert next(tries) == 2


async def test_a_database_that_refuses_for_good_is_told_in_the_end(door: Door) -> None:
    tries = itertools.count()

    async def work(_: ledger.Ledger) -> None:
        next(tries)
        raise api.Clash("its database refused", 0)

    with pytest.raises(api.Clash):
        await take(door, work)
    assert next(tries) == turns.TRIES


@pytest.mark.parametrize("kind", [errors.Permanent, api.Taken])
async def test_any_other_refusal_is_told_at_once_and_lets_the_next_one_in(
    door: Door, kind: type[Exception]
) -> None:
    async def work(found: ledger.Ledger) -> None:
        await found.write("host.update", {})
        assert door.lock
        raise kind("No permissions")

    with pytest.raises(kind, match="No permissions"):
        await take(door, work)
    assert not door.lock


async def _write(found: ledger.Ledger) -> None:
    found.changes.append(HOST)
    await found.write("host.create", [{}])


async def test_who_has_write_to_write_locks_write_and_waits_for_nobody(door: Door) -> None:
    door.lock = {"globalmacroid": "3", "value": "somebody else"}

    async def work(found: ledger.Ledger) -> None:
        found.changes.append(msgspec.structs.replace(HOST, change="none"))

    assert [one.change for one in await take(door, work)] == ["none"]


async def test_the_lock_is_opened_though_the_answer_to_its_closing_was_lost(door: Door) -> None:
    door.lose = "usermacro.createglobal"
    with pytest.raises(errors.Temporary):
        await take(door, _write)
    assert not door.lock


async def test_a_lock_that_cannot_be_opened_is_told_and_the_work_is_done(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    door.lose = "usermacro.get"
    assert await take(door, _write) == [HOST]
    assert door.lock
    assert "may be left" in caplog.text


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("SQL statement execution has failed \"INSERT … VALUES ('hunter2')\".", api.Clash),
        ("[DBEXECUTE_ERROR] hunter2", api.Clash),
        ('Macro "{$X}" already exists.', api.Taken),
        ("Not authorized.", api.Stranger),
        ("Invalid parameter", errors.Permanent),
    ],
)
def test_a_refusal_is_sorted_and_a_statement_with_its_secrets_is_not_repeated(words: str, kind: type) -> None:
    found = api._refusal("usermacro.createglobal", words)
    assert type(found) is kind
    assert str(found).startswith("Zabbix refused usermacro.createglobal: ")
    assert "hunter2" not in str(found)
