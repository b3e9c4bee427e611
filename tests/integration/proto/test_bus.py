"""The bus against a real nats-server: what is stored, what comes again, what is buried."""

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta

import nats
import nats.errors
import pytest

from concierge_proto import bus, errors, messages, subjects
from concierge_proto.bus import acks


def outcome(number: int, service: str = "web") -> messages.Control:
    return messages.Control(service=service, what=f"event {number}", at=datetime.now(UTC))


async def publish(link: bus.Bus, number: int, **envelope: str) -> bus.Ack:
    return await link.publish(link.pack(subjects.event("web", "control"), outcome(number), **envelope))


async def test_provisioning_twice_changes_nothing(link: bus.Bus) -> None:
    before = [(await link._js.stream_info(name)).config for name in bus.STREAMS]
    await bus.provision(link)
    assert before == [(await link._js.stream_info(name)).config for name in bus.STREAMS]


async def test_provisioning_keeps_a_longer_audit_log(link: bus.Bus) -> None:
    config = (await link._js.stream_info("EVENTS")).config
    await link._js.update_stream(config.evolve(max_age=2 * 365 * 86_400.0))
    await bus.provision(link)
    assert (await link._js.stream_info("EVENTS")).config.max_age == 2 * 365 * 86_400.0


async def test_provisioning_widens_a_log_that_somebody_shrank(link: bus.Bus) -> None:
    config = (await link._js.stream_info("EVENTS")).config
    await link._js.update_stream(config.evolve(max_age=3600.0))
    await bus.provision(link)
    assert (await link._js.stream_info("EVENTS")).config.max_age == 365 * 86_400.0


async def test_a_foreign_stream_is_named(nats_url: str, connect) -> None:  # type: ignore[no-untyped-def]
    async with connect("other") as link:
        await link._js.add_stream(name="EVENTS", subjects=["else.>"], storage="memory")
        with pytest.raises(errors.Permanent, match="stream EVENTS exists with storage"):
            await bus.provision(link)


async def test_the_same_id_is_stored_once(link: bus.Bus) -> None:
    first = await publish(link, 1, id="one")
    second = await publish(link, 2, id="one")
    assert not first.duplicate
    assert second.duplicate
    assert second.sequence == first.sequence


async def test_history_reads_all_and_ends(link: bus.Bus) -> None:
    for number in range(600):
        await publish(link, number)
    found = [d.read(messages.Control).what async for d in link.history("EVENTS", "concierge.v1.event.web.>")]
    assert found == [f"event {number}" for number in range(600)]


async def test_history_since_a_time(link: bus.Bus) -> None:
    await publish(link, 1)
    between = datetime.now(UTC)
    await publish(link, 2)
    found = [
        d.read(messages.Control).what async for d in link.history("EVENTS", "concierge.>", since=between)
    ]
    assert found == ["event 2"]


async def test_history_follows_from_now(link: bus.Bus) -> None:
    await publish(link, 1)
    follow = link.history("EVENTS", "concierge.>", new=True, follow=True)
    first = asyncio.ensure_future(anext(follow))
    while not (await link._js.stream_info("EVENTS")).state.consumer_count:
        await asyncio.sleep(0.01)
    await publish(link, 2)
    assert (await first).read(messages.Control).what == "event 2"
    await follow.aclose()


async def test_an_oversize_message_is_refused_before_it_is_sent(link: bus.Bus) -> None:
    huge = messages.Control(service="web", what="x" * link.max_payload, at=datetime.now(UTC))
    with pytest.raises(errors.TooLarge, match="max_payload"):
        await link.publish(link.pack(subjects.event("web", "control"), huge))
    assert link.connected


async def test_a_full_subject_is_temporary_and_says_so(link: bus.Bus) -> None:
    subject = subjects.command("shop", "web")
    for _ in range(100):
        await link.publish(link.pack(subject, outcome(0)))
    with pytest.raises(errors.Temporary, match="maximum messages per subject"):
        await link.publish(link.pack(subject, outcome(0)), patience=0)
    assert await link.publish(link.pack(subjects.command("shop", "api"), outcome(0)))


async def test_many_are_stored_in_their_order(link: bus.Bus) -> None:
    packed = [link.pack(subjects.event("web", "control"), outcome(number)) for number in range(50)]
    stored = await link.publish_all(packed)
    assert [ack.sequence for ack in stored] == list(range(1, 51))
    found = [d.read(messages.Control).what async for d in link.history("EVENTS", "concierge.>")]
    assert found == [f"event {number}" for number in range(50)]


async def test_of_many_the_refused_one_is_named_and_the_others_are_stored(link: bus.Bus) -> None:
    packed = [
        link.pack(subject, outcome(1)) for subject in ("concierge.v1.event.web.control", "nobody.s.own")
    ]
    with pytest.raises(errors.Temporary, match=r"publish nobody\.s\.own: no stream takes it"):
        await link.publish_all(packed, patience=0)
    assert [d.subject async for d in link.history("EVENTS", "concierge.>")] == [packed[0].subject]


async def test_an_answer_that_never_comes_is_a_time_out(nats_url: str) -> None:
    client = await nats.connect(nats_url)
    await client.subscribe("deaf")
    waiting = acks.Acks(client, 0.05)
    first, second = [await waiting.send("deaf", b"", {}) for _ in range(2)]
    for answer in (first, second):
        with pytest.raises(nats.errors.TimeoutError):
            acks.read(await answer)
    await client.close()


async def test_nobody_need_wait_for_an_answer(link: bus.Bus) -> None:
    packed = link.pack(subjects.event("web", "control"), outcome(1))
    left = await link._acks.send(packed.subject, packed.body, packed.headers)
    left.cancel()
    assert (await link.publish(packed)).duplicate


class TestStore:
    async def test_compare_and_set(self, link: bus.Bus) -> None:
        store = link.store("concierge_services")
        first = await store.create("web", b"1")
        with pytest.raises(bus.Conflict):
            await store.create("web", b"2")
        second = await store.update("web", b"2", first)
        with pytest.raises(bus.Conflict):
            await store.update("web", b"3", first)
        assert await store.get("web") == bus.Entry(b"2", second)

    async def test_an_oversize_value_is_refused_before_it_is_sent(self, link: bus.Bus) -> None:
        store, huge = link.store("concierge_services"), b"x" * (link.max_payload + 1)
        first = await store.create("web", b"1")
        for writing in (
            store.put("web", huge),
            store.create("api", huge),
            store.update("web", huge, first),
        ):
            with pytest.raises(errors.TooLarge, match="max_payload"):
                await writing
        assert link.connected
        assert await store.get("web") == bus.Entry(b"1", first)
        assert await store.get("api") is None

    async def test_absent_and_deleted(self, link: bus.Bus) -> None:
        store = link.store("concierge_services")
        assert await store.get("web") is None
        await store.put("web", b"1")
        await store.delete("web")
        assert await store.get("web") is None
        assert await store.create("web", b"2")


class TestWorker:
    async def run(self, link: bus.Bus, handle: bus.Handle, done: asyncio.Event) -> bus.Worker:
        worker = bus.Worker(
            link,
            handle,
            stream="COMMANDS",
            durable="shop",
            subjects=("concierge.v1.command.shop.*",),
            ack_wait=2.0,
        )
        task = asyncio.create_task(worker.run())
        try:
            async with asyncio.timeout(20):
                await asyncio.wait(
                    {task, waiter := asyncio.create_task(done.wait())}, return_when="FIRST_COMPLETED"
                )
            assert waiter.done()
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        return worker

    async def send(self, link: bus.Bus, *numbers: int) -> None:
        for number in numbers:
            await link.publish(link.pack(subjects.command("shop", "web"), outcome(number)))

    async def left(self, link: bus.Bus) -> int:
        return (await link._js.stream_info("COMMANDS")).state.messages

    async def test_handles_in_order_and_acknowledges(self, link: bus.Bus) -> None:
        seen: list[str] = []
        done = asyncio.Event()

        async def handle(delivery: bus.Delivery) -> None:
            seen.append(delivery.read(messages.Control).what)
            if len(seen) == 50:
                done.set()

        await self.send(link, *range(50))
        await self.run(link, handle, done)
        assert seen == [f"event {n}" for n in range(50)]
        assert await self.left(link) == 0

    async def test_a_lone_message_is_not_held_back(self, link: bus.Bus) -> None:
        done = asyncio.Event()
        waited: list[timedelta] = []

        async def handle(delivery: bus.Delivery) -> None:
            waited.append(datetime.now(UTC) - delivery.stored_at)
            done.set()

        task = asyncio.create_task(self.run(link, handle, done))
        while not (await link._js.stream_info("COMMANDS")).state.consumer_count:
            await asyncio.sleep(0.01)
        await self.send(link, 1)
        await task
        assert waited[0] < timedelta(seconds=2)  # a batch of nats-py's own would take all of its 4 s

    async def test_temporary_comes_again(self, link: bus.Bus) -> None:
        done = asyncio.Event()
        deliveries: list[int] = []

        async def handle(delivery: bus.Delivery) -> None:
            deliveries.append(delivery.deliveries)
            if delivery.deliveries < 3:
                raise errors.Temporary("not yet", 0.05)
            done.set()

        await self.send(link, 1)
        await self.run(link, handle, done)
        assert deliveries == [1, 2, 3]
        assert await self.left(link) == 0

    async def test_poison_is_buried_with_its_body(self, link: bus.Bus) -> None:
        done = asyncio.Event()

        async def handle(delivery: bus.Delivery) -> None:
            if delivery.body == b"garbage":
                raise errors.Malformed("no command")
            done.set()

        poison = link.pack(subjects.command("shop", "web"), outcome(1))
        await link.publish(bus.Message(subject=poison.subject, headers=poison.headers, body=b"garbage"))
        await self.send(link, 2)
        worker = await self.run(link, handle, done)
        letters = [d async for d in link.history("EVENTS", "concierge.v1.event.web.deadletter")]
        assert letters[0].read(messages.DeadLetter).body == b"garbage"
        assert letters[0].read(messages.DeadLetter).reason == "no command"
        assert worker.buried == 1
        assert await self.left(link) == 0

    async def test_a_slow_handler_keeps_its_message(self, link: bus.Bus) -> None:
        done = asyncio.Event()
        deliveries: list[int] = []

        async def handle(delivery: bus.Delivery) -> None:
            deliveries.append(delivery.deliveries)
            await asyncio.sleep(3)  # longer than ack_wait
            done.set()

        await self.send(link, 1)
        await self.run(link, handle, done)
        assert deliveries == [1]
        assert await self.left(link) == 0


async def test_ask_and_answer(link: bus.Bus) -> None:
    with pytest.raises(errors.Temporary):
        await link.ask("concierge.v1.ping.web.one", 0.2)
    async with link.answering("concierge.v1.ping.web.one", lambda: b"here"):
        assert await link.ask("concierge.v1.ping.web.one") == b"here"
