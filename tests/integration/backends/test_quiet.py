"""A quiet bus is never taken for dead containers."""

import asyncio
import contextlib
import time
from pathlib import Path

from concierge_cli import nats
from concierge_proto import bus, codec, errors, messages, settings, subjects
from tests.integration.backends.conftest import forwarding

FRESH = 2.0
OUTAGE = 2 * FRESH


def config() -> settings.Settings:
    service = settings.Service(target="shop", max=3, fresh=settings.Duration(FRESH))
    return settings.Settings(
        monitoring=settings.Monitoring(backends=("alpha",)),
        targets={"shop": settings.Target(kind="compose")},
        services={"web": service},
    )


async def beat(link: bus.Bus, instance: str) -> None:
    """Be an instance: one beat after another, unless the bus is away, and an answer to each ping."""
    said = messages.Ping(service="web", instance=instance, boot="b1", state=1, time_ns=time.time_ns())
    async with link.answering(subjects.ping("web", instance), lambda: codec.encode(said)[0]):
        while True:
            now = messages.Heartbeat(
                service="web", instance=instance, time_ns=time.time_ns(), boot="b1", state=1
            )
            with contextlib.suppress(errors.Temporary):
                if link.connected:
                    await link.tell(link.pack(subjects.heartbeat("web", instance), now))
            await asyncio.sleep(0.2)


async def vanished(link: bus.Bus, count: int) -> list[str]:
    found: list[str] = []
    async for delivery in link.history("EVENTS", "concierge.v1.event.web.instance", follow=True):
        found.append(delivery.read(messages.InstanceChange).instance)
        if len(found) == count:
            break
    return found


async def test_only_who_is_silent_while_the_bus_is_up_vanishes(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(contextlib.AsyncExitStack())
        url = await server.enter_async_context(nats.server(tmp_path / "store", tmp_path / "one"))
        connecting = (
            bus.connect(settings.Nats(url=url), "forwarder"),
            bus.connect(settings.Nats(url=url), "courier"),
        )
        link, other = [await stack.enter_async_context(one) for one in connecting]
        await bus.provision(link)
        lives = {name: asyncio.create_task(beat(other, name)) for name in ("stays", "dies")}
        stack.callback(lives["stays"].cancel)
        (alpha,) = await stack.enter_async_context(forwarding(config(), link))
        await alpha.until(lambda fake: len({one.instance for one in fake.heartbeats}) == 2)

        await server.aclose()
        await asyncio.sleep(OUTAGE)
        port = int(url.rpartition(":")[2])
        await stack.enter_async_context(nats.server(tmp_path / "store", tmp_path / "two", port=port))
        async with asyncio.timeout(30):
            while not (link.connected and other.connected):
                await asyncio.sleep(0.05)
        seen = len(alpha.heartbeats)
        await alpha.until(lambda fake: {one.instance for one in fake.heartbeats[seen:]} == set(lives), 30)
        lives["dies"].cancel()
        async with asyncio.timeout(30):
            assert await vanished(link, 1) == ["dies"]
