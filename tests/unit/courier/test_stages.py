"""The stages of an instance, with real processes; what is told is written down."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from concierge_courier import again, children, heartbeat, options, stages, supervise
from concierge_proto import errors


class Written:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.life = heartbeat.Life("web", "web-1", 10)
        self.said: list[str] = []
        self.pauses: list[float] = []

    def start(self) -> None:
        self.said.append("started")

    def rest(self, end: supervise.End, pause: float) -> None:
        self.said.append(f"resting: {end.reason} {end.exit_code}")
        self.pauses.append(pause)

    def end(self, end: supervise.End) -> None:
        self.said.append(f"ended: {end.reason} {end.exit_code}")


def sh(script: str) -> tuple[str, ...]:
    return ("sh", "-c", script)


def chosen(script: str = "exit 0", **more: Any) -> options.Options:
    return options.Options(service="web", instance="web-1", command=sh(script), **more)


async def through(
    what: options.Options, written: Written, meanwhile: Callable[[], object] = lambda: None, grace: float = 5
) -> supervise.End:
    with supervise.house(grace) as house:
        async with asyncio.timeout(10):
            running = asyncio.create_task(stages.through(what, house, written))
            while not running.done() and not meanwhile():
                await asyncio.sleep(0.01)
            return await running


def stop() -> bool:
    os.kill(os.getpid(), signal.SIGTERM)
    return True


class TestPreStart:
    async def test_comes_first(self, tmp_path: Path) -> None:
        log = tmp_path / "log"
        what = chosen(f"echo app >> {log}", pre_start=sh(f"echo before >> {log}"))
        assert await through(what, written := Written()) == supervise.End("exited", 0)
        assert log.read_text() == "before\napp\n"
        assert written.said == ["started", "ended: exited 0"]

    @pytest.mark.parametrize(
        ("command", "reason", "code"),
        [
            (sh("exit 3"), "pre-start: exited with 3", 3),
            (sh("kill -9 $$"), "pre-start: was ended by SIGKILL", 137),
            (sh("sleep 60"), "pre-start: no end within 0.2 s", 124),
            (("no-such",), "pre-start: no-such: command not found", 127),
            (("/etc/passwd",), "pre-start: /etc/passwd: cannot be executed: Permission denied", 126),
        ],
    )
    async def test_one_that_fails_is_the_end(
        self, tmp_path: Path, command: tuple[str, ...], reason: str, code: int
    ) -> None:
        what = chosen(f"touch {tmp_path}/ran", pre_start=command, pre_start_timeout=0.2)
        assert await through(what, written := Written()) == supervise.End(reason, code)
        assert written.said == [f"ended: {reason} {code}"]
        assert not (tmp_path / "ran").exists()

    @pytest.mark.parametrize("then", ["exit 0", "exit 4"])
    async def test_hears_the_signals(self, tmp_path: Path, then: str) -> None:
        script = f"trap '{then}' TERM; touch {tmp_path}/here; while :; do sleep 0.02; done"
        what = chosen(f"touch {tmp_path}/ran", pre_start=sh(script))
        end = await through(what, Written(), lambda: (tmp_path / "here").exists() and stop())
        assert end == supervise.End("stopped", int(then[-1]))
        assert not (tmp_path / "ran").exists()

    async def test_one_that_ignores_them_is_killed_when_grace_is_over(self, tmp_path: Path) -> None:
        script = f"trap '' TERM; touch {tmp_path}/here; while :; do sleep 0.02; done"
        what = chosen(pre_start=sh(script))
        begun = time.monotonic()
        end = await through(what, Written(), lambda: (tmp_path / "here").exists() and stop(), grace=0.3)
        assert end == supervise.End("killed", 137)
        assert time.monotonic() - begun < 5


class TestRestarts:
    async def test_as_often_as_was_said(self, tmp_path: Path) -> None:
        what = chosen(f"echo x >> {tmp_path}/runs; exit 5", restarts=again.Policy(3))
        assert await through(what, written := Written()) == supervise.End("exited", 5)
        assert (tmp_path / "runs").read_text() == "x\n" * 4
        assert written.pauses == [0.1, 0.2, 0.4]
        assert written.said == ["started", "resting: exited 5"] * 3 + ["started", "ended: exited 5"]

    async def test_not_after_a_good_end(self, tmp_path: Path) -> None:
        script = f"echo x >> {tmp_path}/runs; test $(wc -l < {tmp_path}/runs) = 2"
        what = chosen(script, restarts=again.parse("on-failure"))
        assert await through(what, Written()) == supervise.End("exited", 0)
        assert (tmp_path / "runs").read_text() == "x\n" * 2

    async def test_not_when_we_were_told_to_stop(self, tmp_path: Path) -> None:
        script = f"trap 'exit 6' TERM; touch {tmp_path}/here; while :; do sleep 0.02; done"
        what = chosen(script, restarts=again.ALWAYS)
        end = await through(what, written := Written(), lambda: (tmp_path / "here").exists() and stop())
        assert end == supervise.End("stopped", 6)
        assert written.said == ["started", "ended: stopped 6"]

    async def test_a_pause_ends_with_the_courier(self) -> None:
        what = chosen("exit 9", restarts=again.ALWAYS)
        written = Written()
        end = await through(what, written, lambda: len(written.pauses) == 4 and stop())
        assert end == supervise.End("stopped", 9)

    async def test_a_program_that_went_away_is_an_end_like_others(self, tmp_path: Path) -> None:
        program = tmp_path / "app"
        program.write_text(f"#!/bin/sh\nrm {program}\nexit 1\n")
        program.chmod(0o755)
        what = options.Options(service="web", command=(str(program),), restarts=again.Policy(2))
        end = await through(what, written := Written())
        assert end == supervise.End(f"not started: {program}: command not found", 127)
        assert written.said.count("started") == 1
        assert len(written.pauses) == 2

    async def test_one_that_never_was_there_is_refused(self) -> None:
        what = options.Options(service="web", command=("no-such",), restarts=again.ALWAYS)
        with pytest.raises(children.NotStarted):
            await through(what, Written())


class TestCoprocess:
    async def test_runs_beside_and_ends_after(self, tmp_path: Path) -> None:
        log = tmp_path / "log"
        one = sh(
            f"trap 'echo one ends >> {log}; exit' TERM; touch {tmp_path}/1; while :; do sleep 0.02; done"
        )
        two = sh(f"trap '' TERM; touch {tmp_path}/2; while :; do sleep 0.02; done")
        app = f"while ! test -e {tmp_path}/1 -a -e {tmp_path}/2; do sleep 0.02; done; echo app ends >> {log}"
        what = chosen(app, coprocesses=(one, two), post_stop=sh(f"echo after >> {log}"))
        begun = time.monotonic()
        await through(what, Written(), grace=0.4)
        assert log.read_text() == "app ends\nafter\none ends\n"
        assert time.monotonic() - begun < 5  # the deaf one was killed

    async def test_starts_again_within_limits(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        runs = tmp_path / "runs"
        app = f"while ! test $(cat {runs} 2>&1 | wc -l) = 3; do sleep 0.02; done; sleep 0.6"
        what = chosen(app, coprocesses=(sh(f"echo x >> {runs}; exit 2"),), coprocess_restarts=again.Policy(2))
        assert await through(what, Written()) == supervise.End("exited", 0)
        assert runs.read_text() == "x\n" * 3
        assert "coprocess: sh exited with 2, and is not started again" in caplog.text

    async def test_one_that_cannot_start_harms_nobody(self, caplog: pytest.LogCaptureFixture) -> None:
        what = chosen("sleep 0.2; exit 8", coprocesses=(("no-such",),))
        assert await through(what, Written()) == supervise.End("exited", 8)
        assert "coprocess: no-such: command not found, started again in 0.1 s" in caplog.text


class TestPostStop:
    @pytest.mark.parametrize(
        ("command", "words"),
        [
            (sh("exit 3"), "post-stop: exited with 3"),
            (sh("sleep 60"), "post-stop: no end within 0.2 s"),
            (("no-such",), "post-stop: no-such: command not found"),
        ],
    )
    async def test_changes_nothing_any_more(
        self, command: tuple[str, ...], words: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        what = chosen("exit 7", post_stop=command, post_stop_timeout=0.2)
        assert await through(what, Written()) == supervise.End("exited", 7)
        assert words in caplog.text


async def test_beside_an_application_of_somebody_else_it_waits_for_a_signal() -> None:
    written = Written()
    end = await through(options.Options(service="web"), written, lambda: written.said and stop())
    assert end == supervise.End("stopped", None)
    assert end.code == 0


async def test_a_health_check_that_cannot_be_is_told_before_anything_runs(tmp_path: Path) -> None:
    what = chosen(health="http://", pre_start=("touch", f"{tmp_path}/ran"))
    with pytest.raises(errors.Permanent, match="is no address"):
        await through(what, Written())
    assert not (tmp_path / "ran").exists()


async def test_a_mistake_in_judging_harms_nobody(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("concierge_courier.health.watch", lambda *_: 1 / 0)
    assert await through(chosen("sleep 0.1; exit 5", health="true"), Written()) == supervise.End("exited", 5)
    assert "health is not judged any more" in caplog.text


@pytest.mark.parametrize("before", [(), ("true",)])
async def test_one_that_is_told_to_stop_before_it_has_started_never_starts(
    tmp_path: Path, before: tuple[str, ...]
) -> None:
    log, written = tmp_path / "log", Written()
    with supervise.house(5) as house:
        house.hear(signal.SIGTERM)
        async with asyncio.timeout(30):
            what = chosen(f"echo started > {log}; sleep 60", pre_start=before)
            end = await stages.through(what, house, written)
    assert (end.reason, end.code, log.exists()) == ("stopped", 0, False)
    assert written.said == ["ended: stopped None"]
