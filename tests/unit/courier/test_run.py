"""The collecting loop and the words of a life, without a bus."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from concierge_courier import discover, heartbeat, options, run, supervise
from concierge_courier.sources import port
from concierge_proto import bus, codec, envelope, messages

BLOCK = messages.Block(kind="gauge", fields=("value",), names=("load",), values=(1,), source="app")


T = TypeVar("T")


class Source:
    name = "app"

    def __init__(self, behaviour: Callable[[int], Awaitable[None]]) -> None:
        self._behaviour = behaviour
        self.reads = 0
        self.inside = 0

    async def read(self, limits: port.Limits, started: port.Started) -> port.Reading:
        self.inside += 1
        assert self.inside == 1, "two collections in flight"
        self.reads += 1
        await self._behaviour(self.reads)
        self.inside -= 1
        return port.Reading((BLOCK,))


def made(source: Source, **changes: float) -> run.Courier:
    return run.Courier(options.Options(service="web", instance="web-1", **changes), [source])  # type: ignore[arg-type]


async def at_once(number: int) -> None:
    pass


def sent(courier: run.Courier) -> list[messages.Snapshot]:
    return [read(waiting.message, messages.Snapshot) for waiting in courier.spool._ring]


def facts(snapshot: messages.Snapshot) -> dict[str, messages.Value]:
    return {name: value for name, _, value in snapshot.blocks[-1].cells()}


def read(message: bus.Message, kind: type[T]) -> T:
    return codec.decode(kind, message.body, envelope.read(message.headers).encoding)


async def test_a_turn_makes_one_snapshot_with_the_facts() -> None:
    courier = made(Source(at_once))
    await courier.turn()
    await courier.turn()
    first, second = sent(courier)
    assert (first.seq, second.seq) == (1, 2)
    assert first.boot == second.boot == courier.life.boot
    assert first.blocks[0] == BLOCK
    assert set(facts(first)) == {
        *("courier.collect", "courier.skipped", "courier.unusable", "courier.delivered", "courier.retried"),
        *("courier.dropped", "courier.dropped.full", "courier.dropped.old", "courier.dropped.refused"),
        *("courier.dropped.corrupt", "courier.oldest"),
    }


async def test_a_late_collection_is_skipped_and_counted() -> None:
    async def blocks_the_loop(number: int) -> None:
        if number == 2:
            time.sleep(0.35)  # noqa: ASYNC251 - the machine was asleep

    source = Source(blocks_the_loop)
    courier = made(source, interval=0.1)
    loop = asyncio.create_task(courier.forever())
    async with asyncio.timeout(5):
        while source.reads < 4:
            await asyncio.sleep(0.01)
    loop.cancel()
    skipped = [facts(one)["courier.skipped"] for one in sent(courier)]
    assert skipped[:2] == [0, 0]
    assert int(skipped[2]) in {3, 4}


async def test_it_collects_again_after_a_mistake_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    courier = made(Source(at_once), interval=0.01)
    courier.spool.add = lambda message: 1 / 0  # type: ignore[assignment, method-assign]
    loop = asyncio.create_task(run._enduring(courier))
    async with asyncio.timeout(5):
        while "collecting again" not in caplog.text:
            await asyncio.sleep(0.01)
    assert not loop.done()
    loop.cancel()


async def test_the_last_words_are_kept_in_order() -> None:
    courier = made(Source(at_once))
    courier.start()
    await courier.turn()
    courier.end(supervise.End("signal SIGKILL", 137))
    kept = list(courier.spool._kept.values())
    assert [message.subject.split(".")[2] for message in kept] == ["event", "discovery", "heartbeat", "event"]
    beat = read(kept[2], messages.Heartbeat)
    assert (beat.state, beat.reason, beat.exit_code) == (0, "signal SIGKILL", 137)
    change = read(kept[3], messages.InstanceChange)
    assert (change.change, change.reason, change.exit_code) == ("stopped", "signal SIGKILL", 137)


def test_a_change_has_one_id_however_often_it_is_sent() -> None:
    life = heartbeat.Life("web", "web-1", 10)
    assert life.change("started").id == life.change("started").id
    assert life.change("started").id != life.change("stopped").id
    assert life.change("started").id != heartbeat.Life("web", "web-1", 10).change("started").id


def test_one_that_rests_and_is_told_to_stop_has_a_last_word_of_its_own() -> None:
    """With the id of the one before, NATS would drop it, and the log would end with `started again in 1 s`."""
    life = heartbeat.Life("web", "web-1", 10)
    life.begin()
    life.end("exited, started again in 1 s", 3)
    resting = life.change("stopped")
    life.end("stopped", 3)
    assert resting.id != life.change("stopped").id


async def test_in_ten_minutes_of_new_names_discovery_is_said_once_a_minute_and_in_full() -> None:
    names: list[str] = []
    now = 1000.0

    class Growing(Source):
        async def read(self, limits: port.Limits, started: port.Started) -> port.Reading:
            names.append(f"metric {len(names):03}")
            values = (1,) * len(names)
            return port.Reading(
                (messages.Block(kind="gauge", fields=("value",), names=tuple(names), values=values),)
            )

    courier = made(Growing(at_once))
    courier._discoverer = discover.Discoverer(lambda: now)
    said: list[tuple[float, int]] = []
    for _ in range(60):
        await courier.turn()
        if message := courier.spool._kept.pop("discovery", None):
            kinds = read(message, messages.Discovery).kinds
            assert kinds == {"gauge": tuple(names)}
            said.append((now, len(names)))
        now += 10
    times = [when for when, _ in said]
    assert said[0] == (1000.0, 1)
    assert len(said) == 10
    assert all(later - earlier >= 60 for earlier, later in itertools.pairwise(times))


async def test_a_clock_that_steps_back_changes_only_the_timestamps(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10_000, 9_000, 1, *range(2, 100)])
    courier = made(Source(at_once), interval=0.05)
    monkeypatch.setattr(time, "time_ns", lambda: next(clock) * 1_000_000_000)
    loop = asyncio.create_task(courier.forever())
    async with asyncio.timeout(5):
        while len(courier.spool._ring) < 4:
            await asyncio.sleep(0.01)
    loop.cancel()
    monkeypatch.undo()
    found = sent(courier)
    assert [one.seq for one in found[:4]] == [1, 2, 3, 4]
    assert found[0].time_ns > found[2].time_ns
    assert {facts(one)["courier.dropped"] for one in found} == {0}


async def test_an_application_that_dies_for_hours_without_nats_fills_no_memory() -> None:
    courier = made(Source(at_once))
    for _ in range(1000):
        courier.start()
        courier.rest(supervise.End("exited", 1), 60)
    courier.end(supervise.End("exited", 1))
    assert len(courier.spool._kept) <= 2 * 50 + 1
    last = list(courier.spool._kept.values())[-1]
    assert read(last, messages.InstanceChange).reason == "exited"
    assert len({message.id for message in courier.spool._kept.values()}) == len(courier.spool._kept)
