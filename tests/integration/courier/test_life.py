"""The life of an instance as others hear of it, and an application that no fault of the courier reaches."""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path

from concierge_proto import bus, messages, settings, subjects
from tests.integration.courier import endpoint, scene

FOREVER = ("--", "sleep", "60")


async def heard(link: bus.Bus, fits: Callable[[messages.Heartbeat], object]) -> messages.Heartbeat:
    """Return the next heartbeat that fits."""
    async with asyncio.timeout(15), aclosing(scene.beats(link)) as beats:
        async for beat in beats:
            if fits(beat):
                return beat
    raise AssertionError


async def last(link: bus.Bus) -> messages.Heartbeat:
    return await heard(link, lambda beat: True)


class TestHealth:
    async def test_a_command_is_carried_by_the_heartbeat(
        self, link: bus.Bus, run: scene.Run, tmp_path: Path
    ) -> None:
        words = ("--health", f"test ! -e {tmp_path}/ill", "--health-interval", "50ms", *FOREVER)
        async with run(*words):
            assert (await heard(link, lambda beat: beat.health)).health == "passing"
            (tmp_path / "ill").touch()
            begun = time.monotonic()
            assert (await heard(link, lambda beat: beat.health == "failing")).state == 1
            assert time.monotonic() - begun < 5  # said at once, not with the next beat
            (tmp_path / "ill").unlink()
            await heard(link, lambda beat: beat.health == "passing")

    async def test_an_address(self, link: bus.Bus, run: scene.Run) -> None:
        with endpoint.serving(endpoint.says(b"fine")) as served:
            words = ("--health", served.url, "--health-interval", "50ms", "--health-timeout", "200ms")
            async with run(*words, *FOREVER):
                await heard(link, lambda beat: beat.health == "passing")
                served.answer = endpoint.says(b"no database", 503)
                await heard(link, lambda beat: beat.health == "failing")
                served.answer = endpoint.says(b"", 204)
                await heard(link, lambda beat: beat.health == "passing")
                served.answer = endpoint.hangs
                await heard(link, lambda beat: beat.health == "failing")

    async def test_without_a_check_nothing_is_said(self, link: bus.Bus, run: scene.Run) -> None:
        async with run(*FOREVER):
            beat = await last(link)
        assert (beat.health, beat.maintenance) == ("", False)


async def maintenance(folder: Path, word: str) -> tuple[int, str]:
    words = ("maintenance", word, "--instance", "web-1", "--runtime-dir", str(folder))
    async with scene.courier(*words) as courier:
        return await courier.ended(), await courier.printed()


async def test_maintenance(link: bus.Bus, run: scene.Run, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert await maintenance(folder, "on") == (1, "")  # nobody is there
    words = ("--health", "false", "--health-interval", "50ms", "--runtime-dir", str(folder), *FOREVER)
    async with run(*words):
        await heard(link, lambda beat: beat.health == "failing")
        assert await maintenance(folder, "on") == (0, "on\n")
        beat = await heard(link, lambda beat: beat.maintenance)
        assert (beat.state, beat.health) == (1, "")
        assert await maintenance(folder, "status") == (0, "on\n")
        assert await maintenance(folder, "off") == (0, "off\n")
        assert not (await heard(link, lambda beat: beat.health == "failing")).maintenance


class TestPreStart:
    async def test_the_last_heartbeat_says_that_it_failed(self, link: bus.Bus, run: scene.Run) -> None:
        async with run("--pre-start", "sh -c 'exit 9'", *FOREVER) as courier:
            assert await courier.ended() == 9
            assert "pre-start: exited with 9; the application is not started" in await courier.said()
        beat = await last(link)
        assert (beat.state, beat.reason, beat.exit_code) == (0, "pre-start: exited with 9", 9)
        assert [change.change for change in await scene.changes(link)] == ["stopped"]

    async def test_nothing_runs_until_it_has_ended(
        self, link: bus.Bus, run: scene.Run, tmp_path: Path
    ) -> None:
        wait = f"sh -c 'while ! test -e {tmp_path}/go; do sleep 0.02; done'"
        async with run("--pre-start", wait, *FOREVER):
            async with asyncio.timeout(10):
                while not await pinged(link):
                    await asyncio.sleep(0.02)
            assert await scene.changes(link) == []
            (tmp_path / "go").touch()
            assert (await last(link)).state == 1
        assert [change.change for change in await scene.changes(link)] == ["started", "stopped"]


async def pinged(link: bus.Bus) -> bytes:
    with contextlib.suppress(Exception):
        return await link.ask(subjects.ping("web", "web-1"), 0.2)
    return b""


async def test_each_restart_is_told(link: bus.Bus, run: scene.Run) -> None:
    async with run("--restarts", "on-failure:2", "--", "sh", "-c", "exit 4") as courier:
        assert await courier.ended() == 4
    changes = await scene.changes(link)
    assert [(change.change, change.reason) for change in changes] == [
        ("started", ""),
        ("stopped", "exited, started again in 0.1 s"),
        ("started", ""),
        ("stopped", "exited, started again in 0.2 s"),
        ("started", ""),
        ("stopped", "exited"),
    ]
    assert (await last(link)).reason == "exited"


async def test_a_child_that_nobody_listens_to_blocks_itself_alone(link: bus.Bus, run: scene.Run) -> None:
    async with run("--heartbeat", "200ms", "--", "dd", "if=/dev/zero", "bs=1M", "count=20") as courier:
        times: set[int] = set()
        async with asyncio.timeout(10), aclosing(scene.beats(link)) as beats:
            while len(times) < 5:
                times.add((await anext(beats)).time_ns)
        assert len(await courier.printed()) == 20 * 1024 * 1024
        assert await courier.ended() == 0


async def test_an_application_that_forks_and_leaves_takes_its_courier_with_it(
    link: bus.Bus, run: scene.Run, tmp_path: Path
) -> None:
    script = f"(sleep 0.3; touch {tmp_path}/daemon) >/dev/null 2>&1 & exit 0"
    async with run("--", "sh", "-c", script) as courier:
        assert await courier.ended() == 0
    assert (await last(link)).reason == "exited"
    async with asyncio.timeout(5):
        while not (tmp_path / "daemon").exists():  # it was not killed
            await asyncio.sleep(0.02)


class TestAnApplicationIsNotHarmed:
    """It counts its own ticks: so many, on time, with the exit code it wanted."""

    APPLICATION = ("--", "sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.1; done; exit 5")

    @contextlib.asynccontextmanager
    async def unharmed(self, *words: str) -> AsyncIterator[scene.Courier]:
        us = ("run", "--service", "web", "--instance", "web-1", "--interval", "50ms", *words)
        begun = time.monotonic()
        async with scene.courier(*us, *self.APPLICATION) as courier:
            yield courier
            assert await courier.ended() == 5
        assert time.monotonic() - begun < 25  # its own second, starting, and three for the last words

    async def test_when_nats_is_gone_the_whole_time(self, unused_tcp_port: int) -> None:
        async with self.unharmed("--nats", f"nats://127.0.0.1:{unused_tcp_port}") as courier:
            assert await courier.ended() == 5
            assert 1 <= len((await courier.said()).splitlines()) <= 3

    async def test_when_the_name_of_nats_is_unknown(self) -> None:
        async with self.unharmed("--nats", "nats://no-such-host.invalid:4222"):
            pass

    async def test_when_there_are_no_streams_at_all(self, server: scene.Server) -> None:
        await server.start()
        async with self.unharmed("--nats", server.url) as courier:
            assert await courier.ended() == 5
            said = await courier.said()
        assert "delivery: publish concierge.v1" in said
        assert len(said.splitlines()) <= 3


async def test_snapshots_that_grew_too_old_are_counted(server: scene.Server) -> None:
    """NATS is away for longer than the ring keeps anything: here a second, for its fifteen minutes."""
    await server.start()
    async with bus.connect(settings.Nats(url=server.url), "test") as link:
        await bus.provision(link)
        us = ("run", "--service", "web", "--instance", "web-1", "--interval", "50ms", "--nats", server.url)
        async with scene.courier(*us, "--buffer-age", "1s", *FOREVER):
            async with aclosing(scene.snapshots(link)) as stored:
                await scene.first(stored, lambda one: one.seq == 2)
            await server.kill()
            await asyncio.sleep(2.5)
            await server.start()
            async with aclosing(scene.snapshots(link)) as stored:
                found = await scene.first(stored, lambda one: scene.facts(one)["courier.dropped"])
    assert 5 < int(scene.facts(found)["courier.dropped"]) < found.seq


class TestTheLastWords:
    async def test_are_said_when_nats_comes_back_within_the_grace_period(self, server: scene.Server) -> None:
        await server.start()
        async with bus.connect(settings.Nats(url=server.url), "test") as link:
            await bus.provision(link)
            us = ("run", "--service", "web", "--instance", "web-1", "--nats", server.url, "--grace", "8s")
            async with scene.courier(*us, *FOREVER) as courier:
                assert (await last(link)).state == 1
                await server.kill()
                courier.signal(signal.SIGTERM)
                await asyncio.sleep(3.5)  # longer than anything but the last words is waited for
                await server.start()
                assert await courier.ended() == 143
            beat = await heard(link, lambda beat: not beat.state)
        assert (beat.reason, beat.exit_code) == ("stopped", 143)

    async def test_hold_nobody_up_for_longer(self, unused_tcp_port: int, tmp_path: Path) -> None:
        nats = f"nats://127.0.0.1:{unused_tcp_port}"
        us = ("run", "--service", "web", "--nats", nats, "--grace", "2s")
        script = f"trap 'exit 3' TERM; touch {tmp_path}/here; while :; do sleep 0.05; done"
        async with scene.courier(*us, "--", "sh", "-c", script) as courier:
            async with asyncio.timeout(30):
                while not (tmp_path / "here").exists():
                    await asyncio.sleep(0.02)
            courier.signal(signal.SIGTERM)
            begun = time.monotonic()
            assert await courier.ended() == 3
            assert 1 < time.monotonic() - begun < 15  # two seconds, where the machine has nothing else to do


async def test_a_health_check_that_hangs_is_killed_with_the_courier(
    link: bus.Bus, run: scene.Run, tmp_path: Path
) -> None:
    check = f"sh -c 'echo $$ > {tmp_path}/pid; sleep 60'"
    async with run(
        "--health", check, "--", "sh", "-c", f"while ! test -s {tmp_path}/pid; do sleep 0.02; done"
    ):
        await heard(link, lambda beat: not beat.state)
    pid = (tmp_path / "pid").read_text().strip()
    async with asyncio.timeout(5):
        while alive(pid):
            await asyncio.sleep(0.02)


def alive(pid: str) -> bool:
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()
