"""The ring: bounded, in order, and every snapshot is delivered, waiting, or counted."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concierge_courier import spool
from concierge_proto import bus


def message(number: int, size: int = 0) -> bus.Message:
    return bus.Message(subject="s", headers={"Nats-Msg-Id": str(number)}, body=b"x" * size)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def drain(waiting: spool.Spool) -> list[str]:
    found = []
    while len(waiting):
        found.append((await waiting.take()).id)
        waiting.done()
    return found


async def test_oldest_first() -> None:
    waiting = spool.Spool(10_000, 60)
    for number in range(3):
        waiting.add(message(number))
    assert await drain(waiting) == ["0", "1", "2"]
    assert waiting.bytes == 0
    assert waiting.dropped == 0


async def test_the_oldest_make_room_and_are_counted() -> None:
    waiting = spool.Spool(10_000, 60)
    for number in range(5):
        waiting.add(message(number, 3_000))
    assert waiting.bytes <= 10_000
    assert waiting.dropped == 3
    assert await drain(waiting) == ["3", "4"]


async def test_what_is_too_old_is_dropped_and_counted() -> None:
    clock = Clock()
    waiting = spool.Spool(10_000, 60, clock)
    waiting.add(message(1))
    clock.now = 30
    waiting.add(message(2))
    clock.now = 61
    assert (await waiting.take()).id == "2"
    assert waiting.dropped == 1


async def test_one_that_is_larger_than_the_ring_still_goes() -> None:
    waiting = spool.Spool(1_000, 60)
    waiting.add(message(1, 50_000))
    assert await drain(waiting) == ["1"]


async def test_what_is_being_sent_is_not_dropped() -> None:
    waiting = spool.Spool(5_000, 60)
    waiting.add(message(1, 3_000))
    assert (await waiting.take()).id == "1"
    for number in range(2, 6):
        waiting.add(message(number, 3_000))
    waiting.done()
    assert await drain(waiting) == ["5"]
    assert waiting.dropped == 3


async def test_what_is_put_back_comes_again() -> None:
    waiting = spool.Spool(5_000, 60)
    waiting.add(message(1))
    assert (await waiting.take()).id == "1"
    waiting.put_back()
    assert (await waiting.take()).id == "1"


async def test_what_nats_does_not_take_holds_up_nothing_of_another_subject() -> None:
    waiting = spool.Spool(5_000, 60)
    waiting.keep(bus.Message(subject="event", headers={"Nats-Msg-Id": "started"}, body=b""), "started")
    waiting.keep(bus.Message(subject="event", headers={"Nats-Msg-Id": "stopped"}, body=b""), "stopped")
    waiting.add(message(1))
    assert (await waiting.take()).id == "started"
    waiting.put_back(aside=True)
    assert (await waiting.take()).id == "1"
    waiting.done()
    assert (await waiting.take()).id == "started"
    waiting.put_back(aside=True)
    assert await drain(waiting) == ["started", "stopped"]
    assert waiting.retried == 1


async def test_two_subjects_that_are_not_taken_count_each_message_once() -> None:
    waiting = spool.Spool(5_000, 60)
    waiting.keep(bus.Message(subject="event", headers={}, body=b""), "started")
    waiting.add(message(1))
    for _ in range(6):
        await waiting.take()
        waiting.put_back(aside=True)
    assert waiting.retried == 2


async def test_what_is_refused_is_counted_and_gone() -> None:
    waiting = spool.Spool(5_000, 60)
    waiting.add(message(1))
    await waiting.take()
    waiting.refuse()
    assert waiting.dropped == 1
    assert len(waiting) == 0
    assert waiting.bytes == 0


async def test_kept_messages_go_first_and_outlive_everything() -> None:
    clock = Clock()
    waiting = spool.Spool(3_000, 60, clock)
    waiting.keep(message(100), "started")
    for number in range(10):
        waiting.add(message(number, 2_000))
    clock.now = 1_000_000
    waiting.keep(message(101), "stopped")
    assert await drain(waiting) == ["100", "101"]


async def test_a_newer_discovery_replaces_the_older_even_while_that_is_sent() -> None:
    waiting = spool.Spool(3_000, 60)
    waiting.keep(message(1), "discovery")
    await waiting.take()
    waiting.keep(message(2), "discovery")
    waiting.done()
    assert await drain(waiting) == ["2"]


async def test_a_refused_change_of_state_is_no_dropped_snapshot() -> None:
    waiting = spool.Spool(3_000, 60)
    waiting.keep(message(1), "started")
    await waiting.take()
    waiting.refuse()
    assert (len(waiting), waiting.dropped) == (0, 0)


async def test_take_waits_for_something() -> None:
    waiting = spool.Spool(3_000, 60)
    taken = asyncio.ensure_future(waiting.take())
    await asyncio.sleep(0)
    assert not taken.done()
    waiting.add(message(1))
    assert (await taken).id == "1"


async def test_emptied_returns_when_the_last_is_done() -> None:
    waiting = spool.Spool(3_000, 60)
    waiting.add(message(1))
    emptied = asyncio.ensure_future(waiting.emptied())
    await waiting.take()
    await asyncio.sleep(0)
    assert not emptied.done()
    waiting.done()
    await asyncio.wait_for(emptied, 10)


steps = st.lists(
    st.tuples(st.just("add"), st.integers(0, 4_000))
    | st.tuples(st.just("wait"), st.integers(1, 50))
    | st.tuples(st.sampled_from(["take", "done", "put_back", "refuse"]), st.just(0)),
    max_size=60,
)


@given(steps)
def test_nothing_is_lost_uncounted_or_out_of_order(steps: list[tuple[str, int]]) -> None:
    asyncio.run(_walk(steps))


async def _walk(steps: list[tuple[str, int]]) -> None:
    clock = Clock()
    waiting = spool.Spool(8_000, 60, clock)
    added, delivered, taken = 0, list[int](), ""
    for step, number in steps:
        if step == "add":
            added += 1
            waiting.add(message(added, number))
        elif step == "wait":
            clock.now += number
        elif step == "take" and not taken and waiting._next():
            taken = (await waiting.take()).id
        elif step == "done" and taken:
            waiting.done()
            delivered.append(int(taken))
            taken = ""
        elif step == "put_back":
            waiting.put_back()
            taken = ""
        elif step == "refuse" and taken:
            waiting.refuse()
            taken = ""
        assert len(delivered) + waiting.dropped + len(waiting) == added
        assert waiting.bytes == sum(spool._cost(one.message) for one in waiting._ring)
        assert waiting.bytes <= 8_000 or len(waiting) <= 2
    assert delivered == sorted(set(delivered))


@pytest.mark.parametrize("count", [10_000])
async def test_a_long_outage_stays_within_its_bytes(count: int) -> None:
    waiting = spool.Spool(1024 * 1024, 1e9)
    for number in range(count):
        waiting.add(message(number, 5_000))
    assert waiting.bytes <= 1024 * 1024
    assert waiting.dropped + len(waiting) == count
    assert (await drain(waiting))[-1] == str(count - 1)
