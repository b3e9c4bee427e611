"""Which values are refused, found by asking for parts."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as some

from concierge_backends.zabbix import packets, sift

ROWS = [packets.Row("h", f"timer[n{number},f{number % 10}]", "1", 1, 1) for number in range(1000)]


class Server:
    def __init__(self, refused: set[str]) -> None:
        self.refused = refused
        self.asked = 0

    async def __call__(self, rows: Sequence[packets.Row]) -> int:
        self.asked += 1
        return sum(1 for row in rows if row.key not in self.refused)


async def test_whole_columns_are_found_with_few_questions() -> None:
    server = Server({row.key for row in ROWS if row.key.endswith((",f3]", ",f7]"))})
    found = await sift.refused(server, ROWS, len(server.refused))
    assert {row.key for row in found} == server.refused
    assert server.asked <= 6


async def test_columns_of_any_length_are_never_cut() -> None:
    rows = [packets.Row("h", f"timer[n{number},f{number % 17}]", "1", 1, 1) for number in range(34_000)]
    server = Server({row.key for row in rows if int(row.key[:-1].rpartition("f")[2]) % 2})
    found = await sift.refused(server, rows, len(server.refused))
    assert {row.key for row in found} == server.refused
    assert server.asked <= 16


async def test_nothing_is_asked_where_all_or_none_are_refused() -> None:
    server = Server(set())
    assert await sift.refused(server, ROWS, 0) == []
    assert len(await sift.refused(server, ROWS, len(ROWS))) == len(ROWS)
    assert server.asked == 0


async def test_the_budget_ends_the_search_and_nothing_is_overlooked() -> None:
    server = Server({row.key for row in ROWS[::3]})
    found = await sift.refused(server, ROWS, len(server.refused), budget=8)
    assert server.asked == 8
    assert server.refused <= {row.key for row in found}


@given(some.sets(some.integers(0, 63)))
async def test_with_budget_enough_exactly_the_refused_ones_are_found(numbers: set[int]) -> None:
    server = Server({ROWS[number].key for number in numbers})
    found = await sift.refused(server, ROWS[:64], len(numbers), budget=1000)
    assert {row.key for row in found} == server.refused
