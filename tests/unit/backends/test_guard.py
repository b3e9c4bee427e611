"""Every call ends, and is counted."""

import asyncio
import logging

import prometheus_client
import pytest

from concierge_backends import guard
from concierge_proto import errors
from tests.integration.backends import fakes
from tests.unit.backends.said import aggregates, heartbeat, snapshot


def counted(metric: str, **labels: str) -> float:
    return prometheus_client.REGISTRY.get_sample_value(f"concierge_forwarder_{metric}", labels) or 0.0


async def test_counts_values_and_answers() -> None:
    name = "counting"
    watched = guard.Guard(fakes.Fake(name))
    await watched.snapshot(snapshot())
    await watched.heartbeat(heartbeat())
    await watched.aggregates(aggregates(1.0))
    assert counted("values_total", backend=name, result="processed") == 1
    assert counted("messages_total", backend=name, kind="heartbeat", result="delivered") == 1
    assert counted("answer_seconds_count", backend=name) == 3
    assert counted("backend_up", backend=name) == 1


async def test_away_is_logged_once_and_its_return_too(caplog: pytest.LogCaptureFixture) -> None:
    fake = fakes.Fake("leaving")
    watched = guard.Guard(fake)
    caplog.set_level(logging.INFO)
    fake.fault = fakes.AWAY
    for _ in range(3):
        with pytest.raises(errors.Temporary):
            await watched.heartbeat(heartbeat())
    assert counted("backend_up", backend="leaving") == 0
    fake.fault = None
    for _ in range(2):
        await watched.heartbeat(heartbeat())
    assert [record.message for record in caplog.records] == [
        "leaving is away: away",
        "leaving answers again",
    ]


async def test_a_refusal_is_an_answer() -> None:
    fake = fakes.Fake("refusing")
    fake.fault = errors.Permanent("no")
    with pytest.raises(errors.Permanent):
        await guard.Guard(fake).heartbeat(heartbeat())
    assert counted("backend_up", backend="refusing") == 1


async def test_a_call_that_does_not_end_is_temporary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_PATIENCE", 0.01)
    fake = fakes.Fake("hanging")
    fake.answers.clear()
    with pytest.raises(errors.Temporary, match="hanging: no answer"):
        await guard.Guard(fake).heartbeat(heartbeat())


async def test_a_callers_end_is_no_answer() -> None:
    fake = fakes.Fake("cancelled")
    fake.answers.clear()
    task = asyncio.create_task(guard.Guard(fake).heartbeat(heartbeat()))
    await fake.until(lambda fake: fake.calls)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
