"""NATS is away: what fits is kept in order, what does not is counted, and nobody is held up."""

import asyncio
import signal
import time
from contextlib import aclosing
from pathlib import Path

from concierge_proto import bus, messages, settings, subjects
from tests.integration.courier import endpoint, scene

BODY = (Path(__file__).parents[2] / "unit/courier/dropwizard4.json").read_bytes()
FOREVER = ("--", "sleep", "60")


async def test_nothing_that_fits_is_lost_and_the_order_is_kept(server: scene.Server) -> None:
    await server.start()
    async with bus.connect(settings.Nats(url=server.url), "test") as link:
        await bus.provision(link)
        with endpoint.serving(endpoint.says(BODY)) as served:
            async with scene.courier(*web(server), *source(served), *FOREVER) as courier:
                await until(served, 5)
                await server.kill()
                await until(served, 15)
                await server.start()
                await caught_up(link, served)
                courier.signal(signal.SIGTERM)
                await courier.ended()
                said = await courier.said()
        found = await all_snapshots(link)
    assert [snapshot.seq for snapshot in found] == list(range(1, len(found) + 1))
    assert len(found) >= 20  # read before and during the outage
    times = [snapshot.time_ns for snapshot in found]
    assert times == sorted(set(times))
    assert scene.facts(found[-1])["courier.dropped"] == 0
    assert 2 <= len([line for line in said.splitlines() if ": source " not in line]) <= 5


async def test_what_does_not_fit_is_counted(server: scene.Server) -> None:
    await server.start()
    async with bus.connect(settings.Nats(url=server.url), "test") as link:
        await bus.provision(link)
        with endpoint.serving(endpoint.says(BODY)) as served:
            words = (*web(server), "--buffer", "10k", *source(served), *FOREVER)
            async with scene.courier(*words) as courier:
                await until(served, 5)
                await server.kill()
                await until(served, 15)
                await server.start()
                await caught_up(link, served)
                courier.signal(signal.SIGTERM)
                await courier.ended()
        found = await all_snapshots(link)
    dropped = int(scene.facts(found[-1])["courier.dropped"])
    assert dropped > 0
    assert found[-1].seq == len(found) + dropped


async def test_the_application_starts_without_it_and_all_is_told_later(
    server: scene.Server, tmp_path: Path
) -> None:
    with endpoint.serving(endpoint.says(BODY)) as served:
        async with scene.courier(*web(server), *source(served), *FOREVER):
            await until(served, 5)
            await server.start()
            async with bus.connect(settings.Nats(url=server.url), "test") as link:
                await bus.provision(link)
                async with aclosing(scene.snapshots(link)) as stored:
                    assert (await scene.first(stored, lambda found: True)).seq == 1
                assert [change.change for change in await scene.changes(link)] == ["started"]


async def test_the_end_is_not_held_up(server: scene.Server) -> None:
    begun = time.monotonic()
    async with scene.courier(*web(server), "--", "sh", "-c", "exit 4") as courier:
        assert await courier.ended() == 4
    assert time.monotonic() - begun < 20  # three seconds, where the machine has nothing else to do


def source(served: endpoint.Endpoint) -> tuple[str, str]:
    return "--source", f"dropwizard={served.url}"


def web(server: scene.Server) -> tuple[str, ...]:
    return ("run", "--service", "web", "--instance", "web-1", "--nats", server.url, "--interval", "50ms")


async def until(served: endpoint.Endpoint, more: int) -> None:
    """Wait until the endpoint has been read so many times more."""
    wanted = served.requests + more
    async with asyncio.timeout(15):
        while served.requests < wanted:
            await asyncio.sleep(0.01)


async def caught_up(link: bus.Bus, served: endpoint.Endpoint) -> None:
    """Wait until what is stored is what was read just now: nothing waits any more."""
    async with aclosing(scene.snapshots(link)) as stored:
        await scene.first(stored, lambda found: found.seq >= served.requests - 1)
    await until(served, 2)


async def all_snapshots(link: bus.Bus) -> list[messages.Snapshot]:
    history = link.history("TELEMETRY", subjects.snapshot("web", "web-1"))
    return [delivery.read(messages.Snapshot) async for delivery in history]
