"""Whatever happens to it: the application goes on, memory stays bounded, and what was lost is counted and told."""

import contextlib
import gzip
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from nats.js import api

from concierge_proto import bus, messages, settings, subjects
from tests.integration.courier import endpoint, scene, test_guarded, trial

GOOD = b'{"counters": {"hits": {"count": 3}}}'
MANY = b"".join(b"m%d 1\n" % number for number in range(100_000))
HOUR = 3600 * 10**9
LARGE = 120.0
"""MB for 100,000 metrics: less than the 128 MB of the lab's container."""


async def seen(link: bus.Bus, fits: Callable[[messages.Snapshot], object]) -> messages.Snapshot:
    """Return the first stored snapshot that fits."""
    async with aclosing(scene.snapshots(link)) as stored:
        return await scene.first(stored, fits)


def fact(name: str, snapshot: messages.Snapshot) -> float:
    return float(scene.facts(snapshot).get(f"courier.{name}") or 0)


class TestTheEndpoint:
    """One that is bad costs its own values: told in three snapshots in a row, and then it is good again."""

    @pytest.mark.parametrize(
        ("answer", "collect", "words"),
        [
            (endpoint.hangs_in_the_middle, -1, "no complete answer within"),
            (endpoint.hangs, -1, "no complete answer within"),
            (endpoint.never_ends, 0, "larger than"),
            (endpoint.says(gzip.compress(bytes(50_000_000)), Content_Encoding="gzip"), 0, "larger than"),
            (endpoint.says(b"", 302, Location="http://else/"), 0, "it moved to http://else/"),
            (endpoint.says(b"\xff\xfe<html>"), 0, "not JSON"),
        ],
        ids=["hangs in the middle", "hangs", "endless body", "gzip bomb", "redirect", "no text at all"],
    )
    async def test_is_bad(
        self, link: bus.Bus, nats_url: str, tmp_path: Path, answer: endpoint.Answer, collect: int, words: str
    ) -> None:
        with endpoint.serving(answer) as served:
            slow = ("--interval", "1s") if collect == 0 else ()  # what is too large is so in time
            us = ("--nats", nats_url, "--source", f"dropwizard={served.url}", "--max-body", "2m", *slow)
            async with trial.courier(tmp_path, *us) as courier:
                found = await seen(link, lambda one: one.seq >= 3 and words in one.sources[0].error)
                assert scene.facts(found)["courier.collect"] == collect
                await courier.ticks()
                served.answer = endpoint.says(
                    gzip.compress(GOOD), Content_Encoding="gzip", Content_Type="a/b"
                )
                good = await seen(link, lambda one: one.blocks[:-1])
        assert good.blocks[0].names == ("hits",)
        assert fact("dropped", good) == 0
        assert good.sources[0].error == ""

    async def test_is_down(self, link: bus.Bus, nats_url: str, tmp_path: Path, unused_tcp_port: int) -> None:
        us = ("--nats", nats_url, "--source", f"dropwizard=http://127.0.0.1:{unused_tcp_port}/metrics")
        async with trial.courier(tmp_path, *us):
            found = await seen(link, lambda one: one.seq == 3)
        assert scene.facts(found)["courier.collect"] == 0
        assert "refused" in found.sources[0].error

    @pytest.mark.parametrize(
        ("body", "names", "lost"),
        [
            (b"hits 1\nhits 2\nmisses 3\n", {"hits", "misses"}, 1),
            (b"hits 1\nm\xff\xfes 2\n", {"hits"}, 1),
            (b"hits 1\nnone NaN\nmuch +Inf\n", {"hits"}, 2),
        ],
        ids=["a name twice", "invalid UTF-8", "NaN and Inf"],
    )
    async def test_has_some_that_are_unusable(
        self, link: bus.Bus, nats_url: str, tmp_path: Path, body: bytes, names: set[str], lost: int
    ) -> None:
        with endpoint.serving(endpoint.says(body, Content_Type="image/png")) as served:
            us = ("--nats", nats_url, "--source", f"prometheus={served.url}")
            async with trial.courier(tmp_path, *us):
                found = await seen(link, lambda one: one.seq >= 3 and not one.sources[0].error)
        there = {name for block in found.blocks[:-1] for name, _, value in block.cells() if value is not None}
        assert there == names
        assert fact("unusable", found) == lost
        assert fact("dropped", found) == 0

    async def test_has_a_hundred_thousand(self, link: bus.Bus, nats_url: str, tmp_path: Path) -> None:
        with endpoint.serving(endpoint.says(MANY)) as served:
            us = ("--nats", nats_url, "--source", f"prometheus={served.url}", "--interval", "4s")
            async with trial.courier(tmp_path, *us, most=LARGE):
                found = await seen(link, lambda one: one.total > 100_000)
        assert (fact("unusable", found), fact("dropped", found)) == (0, 0)


class TestTheClock:
    """Of the courier alone: an hour is taken from what Python calls the time, once the file is there."""

    PATCH = """
import os, time
real = time.time, time.time_ns
def back(): return 3600 * os.path.exists({mark!r})
time.time = lambda: real[0]() - back()
time.time_ns = lambda: real[1]() - back() * 10**9
"""

    @pytest.mark.parametrize("spool", [False, True], ids=["ring", "spool"])
    async def test_steps_back(self, server: scene.Server, tmp_path: Path, spool: bool) -> None:
        mark = tmp_path / "stepped"
        (tmp_path / "sitecustomize.py").write_text(self.PATCH.format(mark=str(mark)))
        more = ("--spool", str(tmp_path / "spool")) if spool else ()
        async with served(server) as link:
            async with trial.courier(
                tmp_path, "--nats", server.url, *more, PYTHONPATH=str(tmp_path)
            ) as courier:
                before = await seen(link, lambda one: one.seq == 3)
                await server.kill()
                await courier.ticks()
                mark.touch()
                await courier.ticks()
                await server.start()
                past = before.time_ns - HOUR // 2
                after = await seen(link, lambda one: one.time_ns < past and not fact("spooled", one))
            found = [one async for one in whole(link)]
        assert after.boot == before.boot
        arrived = sorted(one.seq for one in found if one.seq <= after.seq)
        assert arrived == list(range(1, after.seq + 1))  # none is lost, none comes twice
        assert fact("dropped", after) == 0
        assert fact("oldest", after) < 60


class TestTheBus:
    async def test_its_stream_is_full(self, server: scene.Server, tmp_path: Path) -> None:
        async with served(server) as link:
            await shrunk(link, 3)
            async with trial.courier(tmp_path, "--nats", server.url, "--buffer", "10k") as courier:
                await courier.ticks(40)
                await shrunk(link, -1)
                found = await seen(link, lambda one: fact("dropped", one))
                said = await courier.stopped()
            changes = [one.change for one in await scene.changes(link)]
        assert fact("dropped.full", found) == fact("dropped", found)
        assert changes == ["started", "stopped"]  # another stream has room for those
        assert said.count("maximum") == 1
        assert subjects.snapshot("web", "web-1") in said

    async def test_it_refuses_the_subject(self, tmp_path: Path, unused_tcp_port: int) -> None:
        """Until its administrator gives way: then what that cost is told."""
        secret = tmp_path / "secret"
        secret.write_text("s3cret")
        with test_guarded.guarded(tmp_path, test_guarded.DENIED, unused_tcp_port) as url:
            boss = settings.Nats(url=url, user="boss", password_file=str(secret))
            async with bus.connect(boss, "test") as link:
                await bus.provision(link)
                us = ("--nats", url, "--nats-user", "courier", "--nats-password-file", str(secret))
                async with trial.courier(tmp_path, *us, "--buffer", "10k") as courier:
                    await courier.ticks(60)
                    config = tmp_path / "nats.conf"
                    config.write_text(config.read_text().replace("snapshot.>", "other.>"))
                    os.kill(int((tmp_path / "pid").read_text()), signal.SIGHUP)
                    found = await seen(link, lambda one: fact("dropped", one))
                    said = await courier.stopped()
        assert fact("dropped.full", found) == fact("dropped", found)
        assert f'permissions violation for publish to "{subjects.snapshot("web", "web-1")}"' in said
        assert len(said.splitlines()) <= 8

    async def test_it_restarts_again_and_again(self, server: scene.Server, tmp_path: Path) -> None:
        async with (
            served(server) as link,
            trial.courier(tmp_path, "--nats", server.url, "--buffer", "10k") as courier,
        ):
            for _ in range(3):
                await courier.ticks()
                await server.kill()
                await courier.ticks()
                await server.start()
            newest = last = await seen(link, lambda one: fact("dropped", one))
            found: list[messages.Snapshot] = []
            while newest.seq - len(found) != fact(
                "dropped", newest
            ):  # the next tells of one dropped after it
                await courier.ticks()
                found = [one async for one in whole(link)]
                newest = max(found, key=lambda one: one.seq)
        assert fact("dropped", newest) >= fact("dropped", last)


class TestTheChild:
    async def test_fills_stdout(self, link: bus.Bus, nats_url: str) -> None:
        """Nobody reads it: it waits, the courier does not, and not a byte passes through it."""
        us = ("run", "--service", "web", "--instance", "web-1", "--nats", nats_url, "--interval", "100ms")
        dd = ("--", "dd", "if=/dev/zero", "bs=1M", "count=50", "status=none")
        async with scene.courier(*us, *dd) as courier:
            found = await seen(link, lambda one: one.seq == 10)
            peak = trial.Trial(courier.process, Path()).peak
            assert len(await courier.printed()) == 50 * 1024 * 1024
            assert await courier.ended() == 0
        assert peak < trial.MOST
        assert (fact("skipped", found), fact("dropped", found)) == (0, 0)

    async def test_forks(self, link: bus.Bus, nats_url: str, tmp_path: Path) -> None:
        """A storm beside the application that ticks: a coprocess that leaves a hundred behind, again and again."""
        (tmp_path / "storm").write_text(
            "for i in 1 2 3 4 5 6 7 8 9 10; do (sleep 0.2 & sleep 0.2 & sleep 0.2 &); done"
        )
        us = ("--nats", nats_url, "--coprocess", f"sh {tmp_path}/storm")
        async with trial.courier(tmp_path, *us) as courier:
            await courier.ticks(40)
            last = await seen(link, lambda one: one.seq == 15)
            assert zombies(courier.pid) == []
        assert fact("dropped", last) == 0

    async def test_ignores_sigterm(self, link: bus.Bus, nats_url: str, tmp_path: Path) -> None:
        ready = tmp_path / "ready"
        script = f"trap '' TERM; touch {ready}; while :; do sleep 0.05; done"
        us = ("run", "--service", "web", "--instance", "web-1", "--nats", nats_url, "--interval", "100ms")
        async with scene.courier(*us, "--grace", "1s", "--", "sh", "-c", script) as courier:
            found = await seen(link, lambda one: one.seq == 3 and ready.exists())
            peak = trial.Trial(courier.process, Path()).peak
            courier.signal(signal.SIGTERM)
            assert await courier.ended() == 137
        assert peak < trial.MOST
        assert fact("dropped", found) == 0
        assert [(one.change, one.reason) for one in await scene.changes(link)] == [
            ("started", ""),
            ("stopped", "killed"),
        ]

    async def test_dies_at_once_whenever_it_is_started(self, link: bus.Bus, nats_url: str) -> None:
        us = ("run", "--service", "web", "--instance", "web-1", "--nats", nats_url, "--interval", "100ms")
        async with scene.courier(*us, "--restarts", "4", "--", "sh", "-c", "exit 4") as courier:
            found = await seen(link, lambda one: one.seq == 5)
            peak = trial.Trial(courier.process, Path()).peak
            assert await courier.ended() == 4
        assert peak < trial.MOST
        assert (fact("skipped", found), fact("dropped", found)) == (0, 0)
        assert [one.change for one in await scene.changes(link)] == ["started", "stopped"] * 5


@contextlib.asynccontextmanager
async def served(server: scene.Server) -> AsyncIterator[bus.Bus]:
    """Start it and give a provisioned connection."""
    await server.start()
    async with bus.connect(settings.Nats(url=server.url), "test") as link:
        await bus.provision(link)
        yield link


async def whole(link: bus.Bus) -> AsyncIterator[messages.Snapshot]:
    """Yield all that is stored now."""
    async for delivery in link.history("TELEMETRY", subjects.snapshot("web", "web-1")):
        yield delivery.read(messages.Snapshot)


async def shrunk(link: bus.Bus, most: int) -> None:
    """Let TELEMETRY hold so many messages and refuse what is new."""
    js: Any = link._js
    found = (await js.stream_info("TELEMETRY")).config
    await js.update_stream(found.evolve(max_msgs=most, discard=api.DiscardPolicy.NEW))


def zombies(parent: int) -> list[str]:
    """Return what a process has not reaped; one that ended this instant is looked at again."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [child for child in children if state(child) == state(child) == "Z"]


def state(pid: str) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return ""
