"""What nats-py does, told in ours."""

import asyncio

import nats.errors
import nats.js.errors
import pytest

from concierge_proto import errors
from concierge_proto.bus import failures


async def swallowing(answer: "asyncio.Future[int]", after: list[int]) -> None:
    with failures.translated("ask"):
        after.append(await asyncio.wait_for(answer, 5))
    after.append(-1)


async def test_a_cancellation_is_never_swallowed() -> None:
    """Before Python 3.12 `wait_for` returns the answer, and forgets that it was cancelled."""
    answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    after: list[int] = []
    task = asyncio.create_task(swallowing(answer, after))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    answer.set_result(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert -1 not in after


async def test_what_is_done_on_the_way_out_is_not_cut_off() -> None:
    done = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            for number in range(3):
                with failures.translated("say goodbye"):
                    await asyncio.sleep(0)
                done.append(number)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == [0, 1, 2]


async def test_a_time_limit_of_the_callers_is_his() -> None:
    async def wait() -> None:
        async with asyncio.timeout(0.01):
            with failures.translated("ask"):
                await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await wait()


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (nats.errors.NoRespondersError(), errors.Temporary),
        (nats.errors.ConnectionClosedError(), errors.Temporary),
        (nats.errors.MaxPayloadError(), errors.TooLarge),
        (ValueError(), ValueError),
    ],
)
async def test_is_sorted_by_what_to_do(raised: Exception, told: type[Exception]) -> None:
    with pytest.raises(told):
        _raise(raised)


def _raise(raised: Exception) -> None:
    with failures.translated("ask"):
        raise raised


def test_a_stream_that_is_not_there_is_told_with_the_remedy() -> None:
    told = "publish a: no stream takes it: start Concierge"
    with pytest.raises(errors.Temporary, match=told), failures.Told("publish a"):
        raise nats.js.errors.NoStreamResponseError
