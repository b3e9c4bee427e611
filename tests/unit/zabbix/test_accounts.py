"""What waits of one host, and what is given up: every value is in one place."""

from hypothesis import given
from hypothesis import strategies as some

from concierge_backends.zabbix import accounts, delivery, hosts, packets


def row(key: str, at: int, value: str = "1") -> packets.Row:
    return packets.Row("h", key, value, at, 0)


def test_the_newest_values_of_a_key_wait() -> None:
    account = accounts.Account()
    assert account.park([row("a", 1), row("b", 1)], 0, 10) == (2, 0)
    assert account.park([row("a", 2), row("a", 3), row("a", 4)], 0, 10) == (3, 1)
    assert [(one.key, one.clock) for one in account.pending()] == [("b", 1), ("a", 2), ("a", 3), ("a", 4)]
    assert len(account) == 4


def test_a_value_that_comes_again_waits_once() -> None:
    account = accounts.Account()
    account.park([row("a", 2)], 0, 10)
    assert account.park([row("a", 2), row("a", 1)], 0, 10) == (0, 0)
    assert len(account) == 1


def test_patience_counts_from_the_first_value_of_a_key() -> None:
    account = accounts.Account()
    account.park([row("a", 1)], 0, 10)
    account.park([row("a", 2), row("b", 2)], 8, 10)
    assert account.expire(10) == 0
    assert account.expire(11) == 2
    assert account.given_up == {"a": 0}
    assert set(account.waiting) == {"b"}


def test_a_key_that_was_given_up_is_found_again() -> None:
    account = accounts.Account()
    account.park([row("a", 1)], 5, 1)
    account.expire(7)
    assert account.found(["b"]) is None
    assert account.found(["a", "b"]) == 5
    assert not account.given_up


def test_a_new_life_gives_every_key_another_chance() -> None:
    account = accounts.Account(given_up={"a": 1.0}, reasons={"b": "disabled"})
    account.renew(3)
    assert (account.given_up, account.reasons, account.changed) == ({}, {}, 3)


def test_old_values_of_items_with_triggers_are_held_back() -> None:
    account = accounts.Account()
    account.park([row("load", 1), row("load", 5), row("other", 1), row("stale", 1), row("told", 6)], 0, 10)
    account.tell([row("told", 7)], {"told", "load"})
    live = {"load", "stale", "told"}
    assert account.hold_back(live, oldest=3 * 10**9) == 3
    assert [(one.key, one.clock) for one in account.pending()] == [("other", 1), ("load", 5)]


def test_only_keys_with_triggers_are_void_when_they_are_old() -> None:
    account = accounts.Account()
    account.tell([row("load", 5), row("other", 5)], {"load"})
    assert account.void(row("load", 4), {"load"})
    assert not account.void(row("load", 5), {"load"})
    assert not account.void(row("other", 4), {"load"})


def test_some_are_taken_from_all_over() -> None:
    account = accounts.Account()
    account.park([row(f"k{number}", at) for number in range(1000) for at in (1, 2)], 0, 10)
    found = account.some(10, {"k0"})
    assert [one.key for one in found] == [f"k{number}" for number in range(1, 1000, 99)]
    assert {one.clock for one in found} == {1}  # so that no value comes after a newer one
    assert account.some(10, account.waiting.keys()) == []
    assert [one.clock for one in account.rules("k99")][:2] == [1, 2]


@given(some.lists(some.tuples(some.sampled_from("abc"), some.integers(1, 50)), max_size=60))
def test_no_value_is_counted_twice(given: list[tuple[str, int]]) -> None:
    account = accounts.Account()
    added = superseded = 0
    for now, (key, at) in enumerate(given):
        parked = account.park([row(key, at)], now, 10)
        added, superseded = added + parked.added, superseded + parked.superseded
    gone = account.expire(30)
    settled, _ = account.settle(list("abc"))
    assert added == superseded + gone + settled
    assert len(account) == 0


def test_what_never_got_an_item_is_tried_a_few_at_a_time_all_of_it_in_a_minute() -> None:
    host = hosts.Host("web-1", "web")
    rows = [packets.row("web-1", f"k{number}", 1.0, 1) for number in range(90)]
    assert delivery._promising(host, rows, 0.0) == (rows, (), 0)
    host.account.park(rows[30:], 0, 5)
    host.account.expire(10)
    tries = [delivery._promising(host, rows, 10.0 + second) for second in range(61)]
    assert {len(due) for due, _, _ in tries} == {30}
    assert [len(again) for _, again, _ in tries] == [0] + [1] * 60
    assert {len(again) + hopeless for _, again, hopeless in tries} == {60}
    assert {row.key for _, again, _ in tries for row in again} == {row.key for row in rows[30:]}


def test_after_a_pause_or_a_find_all_have_their_turn_once() -> None:
    host = hosts.Host("web-1", "web")
    rows = [packets.row("web-1", f"k{number}", 1.0, 1) for number in range(10)]
    host.account.park(rows, 0, 5)
    host.account.expire(10)
    paused = [len(delivery._promising(host, rows, at)[1]) for at in (500.0, 500.1, 501.0, 506.0)]
    assert paused == [10, 0, 0, 1]
    host.account.hurry()
    assert len(delivery._promising(host, rows, 506.1)[1]) == 10
    host.account.renew(507)
    assert delivery._promising(host, rows, 508.0) == (rows, (), 0)
