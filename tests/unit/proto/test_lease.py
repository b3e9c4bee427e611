"""The lease's arithmetic, on a store and a clock of the test's own."""

import asyncio
import contextlib
from typing import TYPE_CHECKING, cast

from concierge_proto import bus, errors
from concierge_proto.bus import lease

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Store:
    """One key, and faults on demand."""

    def __init__(self) -> None:
        self.entry: bus.Entry | None = None
        self.fault: Callable[[], Awaitable[None]] | None = None
        self.lose_answer = False
        self.revision = 0

    async def get(self, key: str) -> bus.Entry | None:
        await self._meet()
        return self.entry

    async def create(self, key: str, value: bytes) -> int:
        return await self._write(value, 0)

    async def update(self, key: str, value: bytes, revision: int) -> int:
        return await self._write(value, revision)

    async def delete(self, key: str, revision: int | None = None) -> None:
        self.entry = None

    async def _write(self, value: bytes, revision: int) -> int:
        await self._meet()
        if (self.entry.revision if self.entry else 0) != revision:
            raise bus.Conflict("moved", 0)
        self.revision += 1
        self.entry = bus.Entry(value, self.revision)
        if self.lose_answer:
            raise errors.Temporary("no answer")
        return self.revision

    async def _meet(self) -> None:
        if self.fault:
            await self.fault()


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def make(store: Store, clock: Clock, owner: str = "one") -> bus.Lease:
    return bus.Lease(cast("bus.Store", store), "shop", owner, clock=clock)


async def away() -> None:
    raise errors.Temporary("away")


async def test_validity_counts_from_the_sending() -> None:
    store, clock = Store(), Clock()
    one = make(store, clock)

    async def slow() -> None:
        clock.now += 3

    store.fault = slow
    await one._turn()
    assert clock.now == 3
    clock.now = lease.VALID - 0.01
    assert one.held
    clock.now = lease.VALID
    assert not one.held
    assert one.revision == 0


async def test_a_second_one_waits() -> None:
    store, clock = Store(), Clock()
    one, two = make(store, clock), make(store, clock, "two")
    await one._turn()
    await two._turn()
    assert one.held
    assert not two.held


async def test_the_same_owner_twice_is_two() -> None:
    store, clock = Store(), Clock()
    one, two = make(store, clock), make(store, clock)
    await one._turn()
    await two._turn()
    assert [one.held, two.held] == [True, False]


async def test_an_unanswered_renewal_gives_no_time() -> None:
    store, clock = Store(), Clock()
    one = make(store, clock)
    await one._turn()
    store.fault = away
    clock.now = 5
    assert not await one._turn()
    assert one.held
    clock.now = lease.VALID
    assert not one.held


async def test_a_write_that_arrived_unanswered_is_gone_on_from() -> None:
    store, clock = Store(), Clock()
    one = make(store, clock)
    store.lose_answer = True
    await one._turn()
    store.lose_answer = False
    assert not one.held
    await one._turn()  # create conflicts with our own write
    assert not one.held  # only an answered write gives time
    await one._turn()
    assert one.held


async def test_one_that_was_taken_over_knows_it_at_once() -> None:
    store, clock = Store(), Clock()
    one, two = make(store, clock), make(store, clock, "two")
    await one._turn()
    store.entry = None  # its time to live is over
    await two._turn()
    clock.now = 1
    await one._turn()
    assert not one.held
    assert two.held


async def test_an_expired_key_is_taken_again_by_its_holder() -> None:
    store, clock = Store(), Clock()
    one = make(store, clock)
    await one._turn()
    store.entry = None
    clock.now = 20
    assert not await one._turn()  # try again soon
    await one._turn()
    assert one.held


async def test_a_clean_stop_gives_it_back() -> None:
    store, clock = Store(), Clock()
    one = make(store, clock)
    task = asyncio.create_task(one.run())
    await one.taken()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert store.entry is None
    assert not one.held
    await one.lost()
