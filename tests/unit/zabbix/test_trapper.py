"""The trapper port when the server is not at its best."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from concierge_backends.zabbix import nodes, packets, trapper
from concierge_proto import errors
from tests.peers import process
from tests.unit.zabbix import trappers

ROWS = [packets.Row("h", f"k{number}", "1", 1_700_000_000, number) for number in range(12_000)]


def free() -> str:
    return f"127.0.0.1:{process.free_port()}"


async def test_many_values_go_in_packets_of_5000_in_order() -> None:
    async with trappers.trapper() as fake:
        assert await trapper.Trapper([fake.address], 5).deliver("h", ROWS) == 12_000
    assert [len(request["data"]) for request in fake.requests] == [5000, 5000, 2000]
    assert [row["key"] for row in fake.values()] == [row.key for row in ROWS]


async def test_packets_of_one_time_go_two_at_once() -> None:
    busy, most, both = 0, 0, asyncio.Event()

    async def answer(request: dict[str, Any]) -> bytes:
        nonlocal busy, most
        busy, most = busy + 1, max(most, busy + 1)
        if busy == 2:
            both.set()
        await both.wait()
        busy -= 1
        return trappers.accepting(request)

    rows = [packets.Row("h", f"k{number}", "1", 1_700_000_000, 7) for number in range(12_000)]
    async with trappers.trapper(answer) as fake:
        assert await trapper.Trapper([fake.address], 5).deliver("h", rows) == 12_000
    assert most == 2
    assert sorted(value["key"] for value in fake.values()) == sorted(row.key for row in rows)


async def test_of_two_packets_one_that_fails_is_told() -> None:
    def answer(request: dict[str, Any]) -> bytes | None:
        return trappers.accepting(request) if len(request["data"]) == 5000 else None

    rows = [packets.Row("h", f"k{number}", "1", 1_700_000_000, 7) for number in range(12_000)]
    async with trappers.trapper(answer) as fake:
        with pytest.raises(errors.Temporary, match="Zabbix is away"):
            await trapper.Trapper([fake.address], 5).deliver("h", rows)


async def test_a_slow_server_gets_smaller_packets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trapper, "SLOW", -1.0)
    async with trappers.trapper() as fake:
        await trapper.Trapper([fake.address], 5).deliver("h", ROWS)
    assert [len(request["data"]) for request in fake.requests] == [5000, 2500, 2000, 2000, 500]


async def test_one_limit_holds_over_a_silent_server() -> None:
    async def never(request: dict[str, Any]) -> bytes:
        await asyncio.sleep(60)
        return b""

    async with trappers.trapper(never) as fake:
        with pytest.raises(errors.Temporary, match=r"no answer within 0\.2 s"):
            async with asyncio.timeout(10):
                await trapper.Trapper([fake.address], 0.2).deliver("h", ROWS[:1])


@pytest.mark.parametrize(
    "answer", [None, b"ZBXD", b"ZBXD\x01\x10\x00\x00\x00\x00\x00\x00\x00{", b"HTTP/1.1 400 Bad Request\r\n"]
)
async def test_a_cut_or_foreign_answer_is_temporary(answer: bytes | None) -> None:
    async with trappers.trapper(lambda _: answer) as fake:
        with pytest.raises(errors.Temporary, match=fake.address):
            await trapper.Trapper([fake.address], 5).deliver("h", ROWS[:1])


async def test_nobody_there_is_temporary_and_named() -> None:
    nowhere = free()
    with pytest.raises(errors.Temporary, match=nowhere):
        await trapper.Trapper([nowhere], 5).deliver("h", ROWS[:1])


async def test_the_second_node_takes_over_and_is_asked_first_from_then_on() -> None:
    nowhere = free()
    async with trappers.trapper() as fake:
        door = trapper.Trapper([nowhere, fake.address], 5)
        assert await door.deliver("h", ROWS[:1]) == 1
        assert door._nodes.servers == [fake.address, nowhere]


async def test_a_redirect_is_followed_and_remembered_for_that_host() -> None:
    async with trappers.trapper() as second:
        moved = trappers.reply(response="failed", redirect={"revision": 1, "address": second.address})
        async with trappers.trapper(lambda _: moved) as first:
            door = trapper.Trapper([first.address], 5)
            assert await door.deliver("h", ROWS[:1]) == 1
            assert await door.deliver("h", ROWS[:1]) == 1
            assert (len(first.requests), len(second.requests)) == (1, 2)


async def test_a_proxy_that_hears_no_server_sends_us_to_any_other() -> None:
    lost = trappers.reply(response="failed", redirect={"revision": 1, "reset": True})
    async with trappers.trapper(lambda _: lost) as first, trappers.trapper() as second:
        door = trapper.Trapper([first.address, second.address], 5)
        door._moved["h"] = first.address
        assert await door.deliver("h", ROWS[:1]) == 1
        assert await door.deliver("h", ROWS[:1]) == 1
        assert (len(first.requests), len(second.requests)) == (1, 2)


async def test_a_circle_of_redirects_ends() -> None:
    def round_and_round(_: dict[str, Any]) -> bytes:
        return trappers.reply(response="failed", redirect={"revision": 1, "address": fake.address})

    async with trappers.trapper(round_and_round) as fake:
        with pytest.raises(errors.Temporary, match="redirected 3 times"):
            await trapper.Trapper([fake.address], 5).deliver("h", ROWS[:1])


async def test_a_paused_server_is_temporary() -> None:
    paused = trappers.reply(response="failed", info="data collection has been paused")
    async with trappers.trapper(lambda _: paused) as fake:
        with pytest.raises(errors.Temporary, match="paused"):
            await trapper.Trapper([fake.address], 5).deliver("h", ROWS[:1])


async def test_no_more_than_two_connections_at_once() -> None:
    busy, most = 0, 0

    async def slowly(request: dict[str, Any]) -> bytes:
        nonlocal busy, most
        busy, most = busy + 1, max(most, busy + 1)
        await asyncio.sleep(0.01)
        busy -= 1
        return trappers.counted(1, 0)

    async with trappers.trapper(slowly) as fake:
        door = trapper.Trapper([fake.address], 5)
        await asyncio.gather(*(door.deliver(f"h{number}", ROWS[:1]) for number in range(10)))
    assert most == nodes.CONNECTIONS


async def test_a_heartbeat_needs_no_answer() -> None:
    async with trappers.trapper(lambda _: None) as fake:
        await trapper.Trapper([fake.address], 5).alive("h", 10)
    assert fake.kinds() == ["active check heartbeat"]


@pytest.mark.parametrize(
    ("node", "parts"),
    [
        ("zabbix.example:10052", ("zabbix.example", 10052)),
        ("zabbix.example", ("zabbix.example", 10051)),
        ("[::1]:10052", ("::1", 10052)),
        ("[::1]", ("::1", 10051)),
        ("2001:db8::1", ("2001:db8::1", 10051)),
    ],
)
def test_addresses(node: str, parts: tuple[str, int]) -> None:
    assert nodes.address(node) == parts


class Restarting:
    """A server that can be shut, and opened again at the same address."""

    def __init__(self) -> None:
        self.fake = trappers.Trapper(trappers.accepting)
        self.server: asyncio.Server | None = None
        self.node = free()

    async def open(self) -> None:
        host, port = nodes.address(self.node)
        self.server = await asyncio.start_server(self.fake.serve, host, port)

    async def shut(self) -> None:
        assert self.server
        self.server.close()
        await self.server.wait_closed()

    async def has(self, *values: str) -> None:
        async with asyncio.timeout(30):
            while [row["value"] for row in self.fake.values()] != list(values):
                await asyncio.sleep(0.01)


@pytest.fixture
async def restarting(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Restarting]:
    monkeypatch.setattr(trapper, "QUIET", 0.02)
    found = Restarting()
    await found.open()
    yield found
    await found.shut()


@pytest.fixture
async def door(restarting: Restarting) -> AsyncIterator[trapper.Trapper]:
    found = trapper.Trapper([restarting.node], 5)
    yield found
    await found.close()


def row(key: str, value: str) -> packets.Row:
    return packets.Row("h", key, value, 1_700_000_000, int(value))


async def test_what_was_accepted_is_sent_again_when_the_server_was_away(
    restarting: Restarting, door: trapper.Trapper
) -> None:
    await door.deliver("h", [row("a", "1"), row("live", "2")], {"live"})
    await door.deliver("h", [row("aggregate", "3")])
    await door.deliver("h", [row("a", "4")], ())
    await restarting.shut()
    with pytest.raises(errors.Temporary):
        await door.deliver("h", [row("a", "5")], ())
    await restarting.open()
    await restarting.has("1", "2", "3", "4", "1", "4")


async def test_a_restart_is_noticed_by_nobody_but_us_and_between_two_values(
    restarting: Restarting, door: trapper.Trapper
) -> None:
    await door.deliver("h", [row("a", "1")], ())
    await restarting.shut()
    async with asyncio.timeout(30):
        while not door._doubtful:
            await asyncio.sleep(0.01)
    await restarting.open()
    await restarting.has("1", "1")


async def test_what_is_sent_again_survives_a_second_crash(
    restarting: Restarting, door: trapper.Trapper
) -> None:
    for number in range(3):
        await door.deliver("h", [row("a", str(number))], ())
    await restarting.shut()
    with pytest.raises(errors.Temporary):
        await door.deliver("h", [row("a", "9")], ())
    dying = iter([True, True, False])

    def answer(request: dict[str, Any]) -> bytes | None:
        return trappers.accepting(request) if not request["data"] or next(dying, True) else None

    restarting.fake.requests.clear()
    restarting.fake.answer = answer
    await restarting.open()
    await restarting.has("0", "1", "2", "0", "1", "2")  # the third was not answered: all of them once more


async def test_a_server_that_is_only_slow_is_not_sent_everything_again(
    restarting: Restarting, door: trapper.Trapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    await door.deliver("h", [row("a", "1")], ())
    monkeypatch.setattr(door._nodes, "_limit", 0.1)
    slow = asyncio.Event()

    async def answer(request: dict[str, Any]) -> bytes:
        await slow.wait()
        return trappers.accepting(request)

    restarting.fake.answer = answer
    with pytest.raises(errors.Temporary, match="no answer within"):
        await door.deliver("h", [row("a", "2")], ())
    slow.set()
    assert not door._doubtful


async def test_a_node_that_vanished_without_a_word_is_taken_for_a_dead_one() -> None:
    silent = asyncio.Event()

    async def answer(request: dict[str, Any]) -> bytes | None:
        if silent.is_set():
            await asyncio.Event().wait()
        return trappers.counted(len(request["data"]), 0)

    async with trappers.trapper(answer) as gone, trappers.trapper() as standby:
        door = trapper.Trapper([gone.address, standby.address], 1)
        await door.deliver("h", [row("a", "1")], ())
        silent.set()
        assert await door.deliver("h", [row("a", "2")], ()) == 1
        async with asyncio.timeout(30):
            while sorted({value["value"] for value in standby.values()}) != ["1", "2"]:
                await asyncio.sleep(0.01)
        await door.close()


async def test_the_next_node_is_told_again_what_the_dead_one_had_accepted(
    restarting: Restarting,
) -> None:
    async with trappers.trapper() as standby:
        door = trapper.Trapper([restarting.node, standby.address], 5)
        await door.deliver("h", [row("a", "1")], ())
        await restarting.shut()
        assert await door.deliver("h", [row("a", "2")], ()) == 1
        async with asyncio.timeout(30):
            while sorted({value["value"] for value in standby.values()}) != ["1", "2"]:
                await asyncio.sleep(0.01)
        await door.close()
        await restarting.open()
