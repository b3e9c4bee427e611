"""With a spool on disk: snapshots outlive a long outage and a courier that is killed, with the same ids."""

import asyncio
import itertools
import signal
from pathlib import Path

from concierge_proto import bus, messages, settings, subjects
from tests.integration.courier import endpoint, scene

BODY = b'{"counters": {"hits": {"count": 3}}}'


def words(server: scene.Server, served: endpoint.Endpoint, spool: Path) -> tuple[str, ...]:
    us = ("run", "--service", "web", "--instance", "web-1", "--nats", server.url, "--interval", "100ms")
    return (*us, "--grace", "1s", "--source", f"dropwizard={served.url}", "--spool", str(spool))


def on_disk(spool: Path) -> int:
    return len(list(spool.glob("*.snapshot")))


async def filled(spool: Path, count: int) -> None:
    async with asyncio.timeout(15):
        while on_disk(spool) < count:
            await asyncio.sleep(0.02)


async def emptied(link: bus.Bus, spool: Path) -> None:
    """Wait until nothing is on disk, and a snapshot has said so."""
    async with asyncio.timeout(20):
        while on_disk(spool):
            await asyncio.sleep(0.05)
        while scene.facts((await stored(link))[-1].read(messages.Snapshot))["courier.spooled"]:
            await asyncio.sleep(0.05)


async def stored(link: bus.Bus) -> list[bus.Delivery]:
    return [one async for one in link.history("TELEMETRY", subjects.snapshot("web", "web-1"))]


async def test_a_killed_couriers_snapshots_arrive_once_behind_the_live_ones(
    server: scene.Server, tmp_path: Path
) -> None:
    spool = tmp_path / "spool"
    with endpoint.serving(endpoint.says(BODY)) as served:
        async with scene.courier(*words(server, served, spool)) as first:
            await filled(spool, 6)
            first.signal(signal.SIGKILL)
            await first.ended()
        left = on_disk(spool)
        victim = sorted(spool.glob("*.snapshot"))[2]
        victim.write_bytes(victim.read_bytes()[:-1])
        await server.start()
        async with bus.connect(settings.Nats(url=server.url), "test") as link:
            await bus.provision(link)
            async with scene.courier(*words(server, served, spool)) as second:
                await emptied(link, spool)
                second.signal(signal.SIGTERM)
                await second.ended()
            found = [one.read(messages.Snapshot) for one in await stored(link)]
    assert len({one.id for one in found}) == len(found)
    old = [one for one in found if one.boot != found[0].boot]
    assert [one.seq for one in old] == [seq for seq in range(1, left + 1) if seq != 3]
    order = ["live" if one.boot == found[0].boot else "old" for one in found]
    assert order[0] == "live"
    assert ("old", "old") not in set(itertools.pairwise(order))
    last = scene.facts(found[-1])
    assert (last["courier.dropped"], last["courier.dropped.corrupt"]) == (1, 1)
    assert [path.stem for path in spool.glob("*.corrupt")] == [victim.stem]


async def test_what_waits_at_the_end_is_kept(server: scene.Server, tmp_path: Path) -> None:
    with endpoint.serving(endpoint.says(BODY)) as served:
        async with scene.courier(*words(server, served, tmp_path / "spool")) as courier:
            await filled(tmp_path / "spool", 3)
            before = on_disk(tmp_path / "spool")
            courier.signal(signal.SIGTERM)
            assert await courier.ended() == 0
    assert on_disk(tmp_path / "spool") > before


async def test_a_folder_of_another_courier_is_refused(server: scene.Server, tmp_path: Path) -> None:
    with endpoint.serving(endpoint.says(BODY)) as served:
        async with scene.courier(*words(server, served, tmp_path)):
            await filled(tmp_path, 1)
            async with scene.courier(*words(server, served, tmp_path)) as other:
                assert await other.ended() == 2
                assert "another courier uses it" in await other.said()
