"""Who meets somebody else's work in Zabbix starts again, and reports what all tries did."""

import itertools
from typing import Any

import pytest

from concierge_backends.zabbix import api
from concierge_backends.zabbix.provision import ledger, turns
from concierge_proto import errors

HOST = ledger.Change("create", "host", "service shop")


class Door:
    """Takes every call."""

    seven = True

    async def call(self, _method: str, _params: Any) -> dict[str, list[str]]:
        return {"hostids": ["1"]}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "PAUSE", 0.0)


def book() -> ledger.Ledger:
    return ledger.Ledger(Door(), dry_run=False)  # type: ignore[arg-type]


async def test_what_an_earlier_try_made_is_reported_as_made() -> None:
    tries = itertools.count()

    async def work(found: ledger.Ledger) -> None:
        first = next(tries) == 0
        found.changes.append(HOST if first else ledger.Change("none", "host", "service shop"))
        await found.write("host.create", [{}])
        found.changes.append(ledger.Change("create", "item", "load"))
        if first:
            raise api.Clash("its database refused", 0)

    assert await turns.take(book, work) == [HOST, ledger.Change("create", "item", "load")]
    assert next(tries) == 2


async def test_a_name_that_is_somebodys_own_is_told_after_a_second_look() -> None:
    tries = itertools.count()

    async def work(_: ledger.Ledger) -> None:
        next(tries)
        raise api.Taken("Host with the same name already exists")

    with pytest.raises(api.Taken):
        await turns.take(book, work)
    assert next(tries) == 2


async def test_a_database_that_refuses_for_good_is_told_in_the_end() -> None:
    tries = itertools.count()

    async def work(_: ledger.Ledger) -> None:
        next(tries)
        raise api.Clash("its database refused", 0)

    with pytest.raises(api.Clash):
        await turns.take(book, work)
    assert next(tries) == turns.TRIES


async def test_any_other_refusal_is_told_at_once() -> None:
    async def work(_: ledger.Ledger) -> None:
        raise errors.Permanent("No permissions")

    with pytest.raises(errors.Permanent, match="No permissions"):
        await turns.take(book, work)


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
