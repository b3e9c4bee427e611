"""One listing for many, never one that began before the question."""

import asyncio

import pytest

from concierge_proto import errors
from concierge_scheduler.survey import Survey
from concierge_scheduler.targets import memory, port
from tests.unit.scheduler import hands


class Slow(memory.Memory):
    """Lists only when it is let."""

    def __init__(self) -> None:
        super().__init__("shop", {"web": hands.policy()})
        self.reads = 0
        self.go = asyncio.Semaphore(0)

    async def read(self) -> dict[str, port.Observed]:
        self.reads += 1
        found = await super().read()
        await self.go.acquire()
        return found


async def test_those_who_asked_during_a_listing_share_the_next() -> None:
    target = Slow()
    survey = Survey(target)
    first = asyncio.create_task(survey.read())
    while not target.reads:
        await asyncio.sleep(0)
    target.counts["web"] = 3
    later = [asyncio.create_task(survey.read()) for _ in range(10)]
    await asyncio.sleep(0)
    target.go.release()
    target.go.release()
    assert (await first)["web"].wanted == 0
    assert [(await one)["web"].wanted for one in later] == [3] * 10
    assert target.reads == 2


async def test_a_failure_is_shared_too_and_then_forgotten() -> None:
    target = memory.Memory("shop", {"web": hands.policy()})
    survey = Survey(target)
    assert survey.last is None
    target.failing = errors.Temporary("away")
    with pytest.raises(errors.Temporary, match="away"):
        await survey.read()
    assert survey.last is None
    target.failing = None
    assert (await survey.read()) == survey.last


async def test_a_listing_that_was_cut_off_answers_nobody() -> None:
    target = Slow()
    survey = Survey(target)
    first = asyncio.create_task(survey.read())
    while not target.reads:
        await asyncio.sleep(0)
    target.counts["web"] = 3
    gone, later = (asyncio.create_task(survey.read()) for _ in range(2))
    await asyncio.sleep(0)
    target.go.release()
    await first
    while target.reads < 2:
        await asyncio.sleep(0)
    gone.cancel()
    target.go.release()
    assert (await later)["web"].wanted == 3
