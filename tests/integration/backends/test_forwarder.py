"""From a published snapshot to its receipt, over a real nats-server, with systems that fail when asked."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from concierge_backends import port
from concierge_proto import bus, codec, errors, messages, settings, subjects
from tests.integration.backends import fakes
from tests.integration.backends.conftest import forwarding
from tests.unit.backends.said import block

Connect = Callable[[str], AbstractAsyncContextManager[bus.Bus]]


def config(*backends: str, fresh: float = 30.0) -> settings.Settings:
    threshold = settings.Threshold(name="a", metric="gauge[load,value]", above=5, action="scale_out 1")
    service = settings.Service(target="shop", max=3, fresh=settings.Duration(fresh), triggers=(threshold,))
    return settings.Settings(
        monitoring=settings.Monitoring(backends=backends or ("alpha",)),
        targets={"shop": settings.Target(kind="compose")},
        services={"web": service},
    )


def snapshot(instance: str = "one", seq: int = 1, load: float = 1.0, **rest: Any) -> messages.Snapshot:
    values = {"service": "web", "boot": "b1", "blocks": (block(load=load),), "time_ns": time.time_ns()}
    return messages.Snapshot(instance=instance, seq=seq, **{**values, **rest})


def heartbeat(instance: str = "one", state: int = 1) -> messages.Heartbeat:
    return messages.Heartbeat(
        service="web", instance=instance, time_ns=time.time_ns(), boot="b1", state=state
    )


async def publish(link: bus.Bus, said: messages.Snapshot | messages.Discovery) -> None:
    kind = subjects.snapshot if isinstance(said, messages.Snapshot) else subjects.discovery
    await link.publish(link.pack(kind(said.service, said.instance), said))


async def beat(link: bus.Bus, said: messages.Heartbeat) -> None:
    await link.tell(link.pack(subjects.heartbeat(said.service, said.instance), said))


@contextlib.asynccontextmanager
async def receipts(link: bus.Bus) -> AsyncIterator[Callable[[], Any]]:
    async with link.listening("concierge.v1.receipt.web.*") as heard:

        async def following() -> messages.Receipt:
            async with asyncio.timeout(15):
                return (await anext(heard)).read(messages.Receipt)

        yield following


async def waiting(link: bus.Bus, backend: str) -> tuple[int, int]:
    """Return how many messages a backend's consumer has not acknowledged, and not even fetched."""
    found = await link._js.consumer_info("TELEMETRY", f"forward-{backend}")
    return found.num_ack_pending or 0, found.num_pending or 0


async def settled(link: bus.Bus, backend: str) -> None:
    async with asyncio.timeout(10):
        while await waiting(link, backend) != (0, 0):
            await asyncio.sleep(0.02)


async def test_a_snapshot_becomes_a_receipt(link: bus.Bus) -> None:
    said = snapshot()
    async with receipts(link) as following, forwarding(config(), link) as (alpha,):
        await publish(link, said)
        receipt = await following()
        assert alpha.snapshots == [said]
        await settled(link, "alpha")
    assert (receipt.backend, receipt.primary, receipt.snapshot_id) == ("alpha", True, said.id)
    assert (receipt.processed, receipt.failed, receipt.total) == (1, 0, 1)
    assert receipt.elapsed_ms >= 0


async def test_what_was_published_before_is_delivered_too(link: bus.Bus) -> None:
    discovery = messages.Discovery(
        service="web", instance="one", time_ns=1, boot="b1", kinds={"gauge": ("load",)}
    )
    await publish(link, discovery)
    await publish(link, snapshot())
    async with forwarding(config(), link) as (alpha,):
        await alpha.until(lambda fake: fake.discoveries and fake.snapshots)
    assert alpha.discoveries == [discovery]


async def test_only_the_first_backend_is_primary(link: bus.Bus) -> None:
    async with receipts(link) as following, forwarding(config("beta", "alpha"), link):
        await publish(link, snapshot())
        found = {receipt.backend: receipt.primary for receipt in (await following(), await following())}
    assert found == {"beta": True, "alpha": False}


async def test_nothing_is_acknowledged_while_the_backend_is_away(link: bus.Bus) -> None:
    async with receipts(link) as following, forwarding(config(), link) as (alpha,):
        alpha.fault = fakes.AWAY
        for seq in range(1, 6):
            await publish(link, snapshot(seq=seq))
        await alpha.until(lambda fake: fake.calls > 15)
        assert sum(await waiting(link, "alpha")) == 5
        assert not alpha.snapshots
        alpha.fault = None
        found = {(await following()).snapshot_id for _ in range(5)}
        await settled(link, "alpha")
    assert found == {f"one-b1-{seq}" for seq in range(1, 6)}


async def test_a_hanging_backend_delays_no_other(link: bus.Bus) -> None:
    async with receipts(link) as following, forwarding(config("alpha", "beta"), link) as (alpha, beta):
        alpha.answers.clear()
        for seq in range(1, 101):
            await publish(link, snapshot(seq=seq))
        await beta.until(lambda fake: len(fake.snapshots) == 100)
        assert (await following()).backend == "beta"
        assert await beta.until(lambda fake: fake.services)
        await settled(link, "beta")
        assert sum(await waiting(link, "alpha")) == 100
        alpha.answers.set()
        await settled(link, "alpha")
        assert len(alpha.snapshots) == 100


class TestPoison:
    async def letters(self, link: bus.Bus, count: int) -> list[messages.DeadLetter]:
        async with asyncio.timeout(15):
            found: list[messages.DeadLetter] = []
            async for delivery in link.history("EVENTS", "concierge.v1.event.web.deadletter", follow=True):
                found.append(delivery.read(messages.DeadLetter))
                if len(found) == count:
                    break
            return found

    async def test_garbage_is_buried_and_the_next_one_delivered(self, link: bus.Bus) -> None:
        good = link.pack(subjects.snapshot("web", "one"), snapshot())
        await link.publish(bus.Message(subject=good.subject, headers={"Nats-Msg-Id": "x"}, body=b"garbage"))
        await link.publish(good)
        async with forwarding(config(), link) as (alpha,):
            await alpha.until(lambda fake: fake.snapshots)
            (letter,) = await self.letters(link, 1)
            await settled(link, "alpha")
        assert letter.body == b"garbage"
        assert letter.consumer == "forward-alpha"

    async def test_somebody_elses_voice_is_buried(self, link: bus.Bus) -> None:
        await link.publish(link.pack(subjects.snapshot("web", "one"), snapshot("two")))
        async with forwarding(config(), link) as (alpha,):
            (letter,) = await self.letters(link, 1)
        assert "came on the subject of web/one" in letter.reason
        assert not alpha.snapshots

    async def test_what_one_backend_refuses_for_good_is_said_and_buried(self, link: bus.Bus) -> None:
        async with receipts(link) as following, forwarding(config("alpha", "beta"), link) as (alpha, _):
            alpha.fault = errors.Permanent("too many names")
            await publish(link, snapshot())
            found = {receipt.backend: receipt for receipt in (await following(), await following())}
            (letter,) = await self.letters(link, 1)
        assert found["beta"].processed == 1
        assert (found["alpha"].processed, found["alpha"].failed) == (0, 1)
        assert found["alpha"].detail == letter.reason == "too many names"


def told(heard: int, load: float | None) -> Callable[[fakes.Fake], list[port.Aggregates]]:
    """Find the aggregates with that many instances and that average."""

    def found(fake: fakes.Fake) -> list[port.Aggregates]:
        return [
            one
            for one in fake.services
            if one.heard == heard
            and [metric.avg for metric in one.metrics] == ([] if load is None else [load])
        ]

    return found


class TestAggregates:
    async def test_follow_every_snapshot(self, link: bus.Bus) -> None:
        async with forwarding(config(), link) as (alpha,):
            await publish(link, snapshot("one", load=1.0))
            await publish(link, snapshot("two", load=4.0))
            await beat(link, heartbeat("one"))
            (first, *_) = await alpha.until(told(2, 2.5))
            assert first.running in {0, 1}
            await beat(link, heartbeat("one", state=0))
            await alpha.until(told(1, 4.0))

    async def test_fall_with_silence(self, link: bus.Bus) -> None:
        async with forwarding(config(fresh=1.5), link) as (alpha,):
            await publish(link, snapshot())
            await alpha.until(told(1, 1.0))
            await alpha.until(told(0, None))

    async def test_a_slow_backend_is_told_the_newest(self, link: bus.Bus) -> None:
        async with forwarding(config(), link) as (alpha,):
            await alpha.until(lambda fake: fake.services)
            alpha.fault = fakes.AWAY
            for seq in range(1, 301):
                await publish(link, snapshot(seq=seq, load=float(seq)))
            alpha.services.clear()
            alpha.fault = None
            await alpha.until(told(1, 300.0))
            assert len(alpha.services) < 100


class TestPresence:
    async def vanished(self, link: bus.Bus) -> messages.InstanceChange:
        async with asyncio.timeout(15):
            async for delivery in link.history("EVENTS", "concierge.v1.event.web.instance", follow=True):
                return delivery.read(messages.InstanceChange)
        raise AssertionError

    async def test_who_was_there_before_is_told(self, link: bus.Bus) -> None:
        await beat(link, heartbeat())
        await link.flush()
        async with forwarding(config(), link) as (alpha,):
            await alpha.until(lambda fake: fake.heartbeats)
            await alpha.until(told(1, None))
        assert [one.state for one in alpha.heartbeats] == [1]

    async def test_silent_and_deaf_is_vanished(self, link: bus.Bus) -> None:
        said = heartbeat()
        async with forwarding(config(fresh=1), link) as (alpha,):
            await beat(link, said)
            change = await self.vanished(link)
            (last,) = await alpha.until(lambda fake: [one for one in fake.heartbeats if one.state == 0])
        assert (change.change, change.instance, change.boot) == ("vanished", "one", "b1")
        assert last.reason == "vanished"
        assert last.time_ns > said.time_ns
        assert alpha.services[-1].heard == 0

    async def test_silent_but_answering_is_there(self, link: bus.Bus) -> None:
        asked = asyncio.Event()

        def answer() -> bytes:
            asked.set()
            return codec.encode(
                messages.Ping(service="web", instance="one", boot="b1", state=1, time_ns=time.time_ns())
            )[0]

        async with forwarding(config(fresh=1), link) as (alpha,):
            async with link.answering(subjects.ping("web", "one"), answer):
                await beat(link, heartbeat())
                async with asyncio.timeout(10):
                    await asked.wait()
                asked.clear()
                async with asyncio.timeout(10):
                    await asked.wait()  # silent for a second time: it was not given up at the first
                assert all(one.state for one in alpha.heartbeats)
            assert (await self.vanished(link)).instance == "one"

    async def test_who_died_while_nobody_listened_is_found_out(
        self, link: bus.Bus, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        dead, alive = port.Instance("web", "dead"), port.Instance("web", "alive")
        monkeypatch.setattr(fakes, "believed", [dead, alive])
        asked = asyncio.Event()

        def answer() -> bytes:
            asked.set()
            said = messages.Ping(service="web", instance="alive", boot="b1", state=1, time_ns=time.time_ns())
            return codec.encode(said)[0]

        there = link.answering(subjects.ping("web", "alive"), answer)
        async with there, forwarding(config(fresh=1), link) as (alpha,):
            assert (await self.vanished(link)).instance == "dead"
            await alpha.until(lambda fake: fake.heartbeats)
            async with asyncio.timeout(15):
                await asked.wait()
        assert {(one.instance, one.reason) for one in alpha.heartbeats} == {("dead", "vanished")}


class TestTwoForwarders:
    async def test_share_the_snapshots_and_one_tells_the_rest(self, link: bus.Bus, connect: Connect) -> None:
        async with connect("second") as other, forwarding(config(), link) as (one,):
            await one.until(lambda fake: fake.services)  # it holds the lease
            async with forwarding(config(), other) as (two,):
                for seq in range(1, 41):
                    await publish(link, snapshot(f"i{seq}", seq, load=float(seq)))
                await beat(link, heartbeat("i1"))
                await settled(link, "alpha")
                await one.until(told(40, 20.5))
                seen = [snapshot.instance for fake in (one, two) for snapshot in fake.snapshots]
                assert sorted(seen) == sorted(f"i{seq}" for seq in range(1, 41))
                assert two.snapshots
                assert two.services == []
                assert two.heartbeats == []
                await beat(link, heartbeat("i1", state=0))
                for fake in (one, two):  # a stop is told by all
                    await fake.until(lambda fake: [beat for beat in fake.heartbeats if not beat.state])
                await beat(link, heartbeat("i1"))
                for fake in (one, two):  # and so is that it runs again
                    await fake.until(lambda fake: fake.heartbeats[-1].state)

    async def test_the_second_takes_over_with_all_it_knows(self, link: bus.Bus, connect: Connect) -> None:
        async with contextlib.AsyncExitStack() as first:
            other = await first.enter_async_context(connect("first"))
            (one,) = await first.enter_async_context(forwarding(config(), other))
            await one.until(lambda fake: fake.services)
            async with forwarding(config(), link) as (two,):
                await beat(link, heartbeat())
                await one.until(lambda fake: fake.heartbeats)
                await first.aclose()
                await two.until(lambda fake: fake.heartbeats and fake.services, 12)
                assert two.heartbeats[0].instance == "one"


async def test_a_backend_that_cannot_be_opened_is_said_at_once(link: bus.Bus) -> None:
    with pytest.raises(errors.Permanent, match="no backend 'nagios'"):
        async with forwarding(config("nagios"), link):
            pass
