"""The embedded system: from values on the bus to a signed webhook, checked by another library."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import standardwebhooks

from concierge_backends import port, registry
from concierge_backends.embedded import backend as embedded
from concierge_backends.embedded import webhook
from concierge_proto import bus, messages, settings, subjects
from tests.integration.backends import receiver
from tests.integration.backends.conftest import forwarding
from tests.peers import process
from tests.unit.backends.said import LOAD, SECOND, START, block

SECRET = "a secret of the test's own"


def config(gateway: str = "", secret_file: str = "", **rest: Any) -> settings.Settings:
    values: dict[str, Any] = {
        "name": "High load",
        "metric": "gauge[load,value]",
        "above": 5.0,
        "recovers": 3.0,
        "action": "scale_out 1",
    }
    threshold = settings.Threshold(**{**values, **rest})
    source = settings.Source(kind="generic", secret_file=secret_file)
    return settings.Settings(
        gateway=settings.Gateway(public_url=gateway, sources={"embedded": source}),
        targets={"shop": settings.Target(kind="compose")},
        services={"web": settings.Service(target="shop", max=3, triggers=(threshold,))},
    )


def verified(posted: receiver.Posted) -> dict[str, Any]:
    """Return the body if the library of Standard Webhooks believes it."""
    assert posted.path == "/webhooks/embedded"
    assert posted.headers["content-type"] == "application/json"
    found = standardwebhooks.Webhook(SECRET.encode()).verify(posted.body, posted.headers)
    assert isinstance(found, dict)
    return found


def aggregates(load: float, second: float = 0.0) -> port.Aggregates:
    found = port.Aggregate(LOAD, 1, load, load, load, load)
    return port.Aggregates("web", START + int(second * SECOND), 1, 1, (found,))


@contextlib.asynccontextmanager
async def opened(base: str, **rest: Any) -> AsyncIterator[embedded.Backend]:
    async with registry.open_backend(
        "embedded", config(**rest), webhook_secret=SECRET, gateway_url=base
    ) as backend:
        assert isinstance(backend, embedded.Backend)
        yield backend


async def test_from_a_value_on_the_bus_to_a_signed_webhook(link: bus.Bus) -> None:
    async with (
        receiver.receiving() as gateway,
        forwarding(config(), link, webhook_secret=SECRET, gateway_url=gateway.url),
    ):
        for seq, load in enumerate((1.0, 7.5, 4.0, 2.0), 1):
            said = messages.Snapshot(
                service="web",
                instance="one",
                time_ns=time.time_ns(),
                seq=seq,
                boot="b1",
                blocks=(block(load=load),),
            )
            await link.publish(link.pack(subjects.snapshot("web", "one"), said))
            if load == 7.5:
                problem = verified(await gateway.next())
        recovery = verified(await gateway.next())
    assert (problem["status"], recovery["status"]) == ("problem", "resolved")
    assert problem["event_id"] == recovery["event_id"]
    assert (problem["service"], problem["action"], problem["value"]) == ("web", "scale_out 1", 7.5)
    assert recovery["value"] == 2.0


async def test_the_gateway_reads_what_it_sends() -> None:
    async with receiver.receiving() as gateway, opened(gateway.url) as backend:
        await backend.aggregates(aggregates(7.5))
        posted = await gateway.next()
        (told,) = webhook.read(posted.body, "embedded", datetime.now(UTC))
        (listed,) = await backend.problems("embedded")
        await backend.aggregates(aggregates(1.0, 1))
        assert await backend.problems("embedded") == []
    assert (told.name, told.severity, told.step) == ("High load", 4, "2023-11-14T22:13:20+00:00")
    assert (listed.id, listed.correlation_id) == (told.id, told.correlation_id)


async def test_steps_differ_and_are_one_incident() -> None:
    async with receiver.receiving() as gateway, opened(gateway.url) as backend:
        bodies = []
        for second in (0.0, 30.0, 60.0, 120.0):
            await backend.aggregates(aggregates(7.5, second))
            if second != 30.0:
                bodies.append(verified(await gateway.next()))
    assert len({body["step"] for body in bodies}) == 3
    assert len({body["event_id"] for body in bodies}) == 1
    assert len({body["started_at"] for body in bodies}) == 1


async def test_a_gateway_that_fails_is_called_again_with_the_same_bytes() -> None:
    async with receiver.receiving() as gateway, opened(gateway.url) as backend:
        gateway.answers = [503, 500, 429]
        await backend.aggregates(aggregates(7.5))
        posted = [await gateway.next() for _ in range(4)]
    assert len({one.body for one in posted}) == 1
    assert len({one.headers["webhook-id"] for one in posted}) == 1
    for one in posted:
        verified(one)


async def test_what_the_gateway_refuses_is_not_repeated() -> None:
    async with receiver.receiving() as gateway, opened(gateway.url) as backend:
        gateway.answers = [401]
        await backend.aggregates(aggregates(7.5))
        refused = verified(await gateway.next())
        await backend.aggregates(aggregates(1.0, 1))
        assert verified(await gateway.next())["status"] == "resolved"
    assert refused["status"] == "problem"


async def test_a_gateway_that_starts_later_hears_only_the_last_word() -> None:
    number = process.free_port()
    async with opened(f"http://127.0.0.1:{number}") as backend:
        for second in (0.0, 60.0, 120.0):
            await backend.aggregates(aggregates(7.5, second))
            await asyncio.sleep(0.05)  # let it try
        gateway = receiver.Receiver()
        server = await asyncio.start_server(gateway.answer, "127.0.0.1", number)
        async with server:
            told = verified(await gateway.next())
            await backend.aggregates(aggregates(1.0, 121))
            recovery = verified(await gateway.next())
            server.close()
            await gateway.close()
    assert told["step"].endswith("22:15:20+00:00")  # two minutes after the start
    assert recovery["status"] == "resolved"


async def test_the_secret_may_stand_in_the_sources_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET.replace(' ', '-')}\nan-older-one\n", "utf-8")
    async with (
        receiver.receiving() as gateway,
        registry.open_backend("embedded", config(gateway.url, str(file))) as backend,
    ):
        await backend.aggregates(aggregates(7.5))
        posted = await gateway.next()
    key = SECRET.replace(" ", "-").encode()
    assert standardwebhooks.Webhook(key).verify(posted.body, posted.headers)
    assert msgspec.json.decode(posted.body)["status"] == "problem"


async def test_two_lives_share_no_event() -> None:
    async with receiver.receiving() as gateway:
        events = set()
        for _ in range(2):
            async with opened(gateway.url) as backend:
                await backend.aggregates(aggregates(7.5))
                events.add(verified(await gateway.next())["event_id"])
    assert len(events) == 2
