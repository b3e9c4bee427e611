"""One shot: at once, under one deadline, with one timestamp, whatever a source does."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from concierge_courier import collect
from concierge_courier.sources import port
from concierge_proto import errors, messages

BLOCK = messages.Block(kind="gauge", fields=("value",), names=("load",), values=(1,), source="app")
LIMITS = port.Limits(patience=0.2, size=1000)

Behaviour = Callable[[port.Started], Awaitable[port.Reading]]


class Source:
    def __init__(self, name: str, behaviour: Behaviour) -> None:
        self.name = name
        self._behaviour = behaviour

    async def read(self, limits: port.Limits, started: port.Started) -> port.Reading:
        return await self._behaviour(started)


async def good(started: port.Started) -> port.Reading:
    started()
    return port.Reading((BLOCK,), unusable=2)


async def hanging(started: port.Started) -> port.Reading:
    await asyncio.Event().wait()
    raise AssertionError


async def refusing(started: port.Started) -> port.Reading:
    raise errors.Temporary("refused")


async def mistaken(started: port.Started) -> port.Reading:
    raise ZeroDivisionError("oops")


async def shoot(*behaviours: Behaviour) -> collect.Shot:
    sources = [Source(str(number), behaviour) for number, behaviour in enumerate(behaviours)]
    return await collect.shoot(sources, LIMITS)


async def test_reads_everything() -> None:
    shot = await shoot(good)
    assert shot.blocks == (BLOCK,)
    assert shot.unusable == 2
    assert shot.reports[0].error == ""
    assert shot.elapsed >= 1


@pytest.mark.parametrize(
    ("behaviour", "elapsed", "error"),
    [
        (hanging, -1, "no complete answer within 0.2 s"),
        (refusing, 0, "refused"),
        (mistaken, 0, "ZeroDivisionError: oops"),
    ],
)
async def test_a_bad_source_is_told_and_harms_no_neighbour(
    behaviour: Behaviour, elapsed: int, error: str
) -> None:
    shot = await shoot(good, behaviour)
    assert shot.blocks == (BLOCK,)
    assert (shot.reports[1].elapsed_ms, shot.reports[1].error) == (elapsed, error)
    assert shot.elapsed == elapsed


async def test_all_at_once_under_one_deadline() -> None:
    begun = time.monotonic()
    await shoot(*[hanging] * 20)
    assert time.monotonic() - begun < 10 * LIMITS.patience


async def test_the_timestamp_is_the_first_responses() -> None:
    first = asyncio.Event()
    last = 0

    async def early(started: port.Started) -> port.Reading:
        reading = await good(started)
        first.set()
        return reading

    async def late(started: port.Started) -> port.Reading:
        nonlocal last
        await first.wait()
        last = time.time_ns()
        return await good(started)

    before = time.time_ns()
    shot = await shoot(late, early)
    assert before <= shot.time_ns < last


async def test_without_a_response_it_is_the_start() -> None:
    before = time.time_ns()
    shot = await shoot(hanging)
    assert before <= shot.time_ns < before + 100_000_000


@pytest.mark.parametrize(
    ("elapsed", "verdict"), [([5, 9, 3], 9), ([5, 0], 0), ([0, -1, 7], -1), ([-1], -1), ([], 0)]
)
def test_the_worst_is_told(elapsed: list[int], verdict: int) -> None:
    assert collect.worst(elapsed) == verdict


def test_an_item_that_is_absent_is_not_zero() -> None:
    block = collect.item({"courier.elapsed": None, "courier.skipped": 0})
    assert list(block.cells()) == [("courier.skipped", "value", 0)]
