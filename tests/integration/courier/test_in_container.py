"""The courier as the first process of real containers: what Docker sees of it, and what others hear."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import pytest

from concierge_proto import bus, messages, settings
from tests import containers, image, peer
from tests.integration.courier import scene

COURIER = ("python3", "-m", "concierge_courier", "run", "--service", "web", "--instance", "web-1")
WAITS = "touch /tmp/here; while :; do sleep 0.05; done"
STORM = "for i in 1 2 3 4 5 6 7 8 9; do for j in 1 2 3 4 5 6 7 8 9; do (sleep 0.05 &); done; done"
NO_ZOMBIES = f"{STORM}; sleep 1; ! grep -l 'State:.Z' /proc/[0-9]*/status"
EATS = "import time; kept = [bytearray(16 << 20) for _ in range(100)]; time.sleep(60)"
FIRST_OR_NOT = pytest.mark.parametrize("docker", [(), ("--init",)], ids=["as process 1", "under one"])
AROUND = (
    *("--pre-start", "sh -c 'echo before >/tmp/log'"),
    *("--coprocess", "sh -c 'echo beside >>/tmp/log; sleep 0.2'"),
    *("--post-stop", "sh -c 'echo after >>/tmp/log; cat /tmp/log'"),
    *("--restarts", "on-failure:1", "--", "sh", "-c", "echo application >>/tmp/log; sleep 1; exit 6"),
)


class Container:
    """One that runs."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def ended(self) -> int:
        """Return its exit code, as Docker has it."""
        await containers.docker("wait", self.name)
        return int((await self.state())["ExitCode"])

    async def state(self) -> Any:
        return json.loads(await containers.docker("inspect", "--format", "{{json .State}}", self.name))

    async def said(self) -> str:
        return await containers.docker("logs", self.name)

    async def here(self) -> None:
        """Return when its application is ready."""
        await containers.met(lambda: self._has("/tmp/here"))

    async def _has(self, path: str) -> bool:
        try:
            await containers.docker("exec", self.name, "test", "-e", path)
        except AssertionError:
            return False
        return True


Run = Callable[..., contextlib.AbstractAsyncContextManager[Container]]


@pytest.fixture
def contained(nats_url: str) -> Run:
    """Return what starts one: `docker` options, the courier's words, and the application's."""
    host, base = peer.need("docker"), peer.need("image")

    @contextlib.asynccontextmanager
    async def start(*words: str, docker: tuple[str, ...] = ()) -> AsyncIterator[Container]:
        tag = await asyncio.to_thread(image.courier_image, host, base)
        network = ("--network", "host")  # where this test's NATS listens
        name = await containers.docker(
            "run", "--detach", *network, *docker, tag, *COURIER, "--nats", nats_url, *words
        )
        try:
            yield Container(name)
        finally:
            await containers.docker("rm", "--force", "--volumes", name)

    return start


async def last(link: bus.Bus) -> messages.Heartbeat:
    async with asyncio.timeout(10), aclosing(scene.beats(link)) as beats:
        return await anext(beats)


@FIRST_OR_NOT
async def test_docker_stop_is_heard_and_the_exit_code_kept(
    link: bus.Bus, contained: Run, docker: tuple[str, ...]
) -> None:
    async with contained("--", "sh", "-c", f"trap 'exit 3' TERM; {WAITS}", docker=docker) as container:
        await container.here()
        await containers.docker("stop", container.name)
        assert await container.ended() == 3
    beat = await last(link)
    assert (beat.state, beat.reason, beat.exit_code) == (0, "stopped", 3)


async def test_one_that_ignores_docker_stop_still_has_last_words(link: bus.Bus, contained: Run) -> None:
    async with contained("--grace", "1s", "--", "sh", "-c", f"trap '' TERM; {WAITS}") as container:
        await container.here()
        await containers.docker("stop", container.name)
        assert await container.ended() == 137
        assert "still running 1 s after SIGTERM" in await _all(container)
    beat = await last(link)
    assert (beat.state, beat.reason, beat.exit_code) == (0, "killed", 137)


async def _all(container: Container) -> str:
    """Return stdout and stderr."""
    child = await asyncio.create_subprocess_exec(
        *("docker", "--host", peer.need("docker"), "logs", container.name),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    return (await child.communicate())[0].decode()


async def test_docker_kill_reaches_the_application(contained: Run) -> None:
    script = f"trap 'echo usr1' USR1; trap 'exit 4' INT; {WAITS}"
    async with contained("--", "sh", "-c", script) as container:
        await container.here()
        await containers.docker("kill", "--signal", "USR1", container.name)
        await containers.met(lambda: _has_said(container, "usr1"))
        await containers.docker("kill", "--signal", "INT", container.name)
        assert await container.ended() == 4


async def _has_said(container: Container, words: str) -> bool:
    return words in await container.said()


async def test_out_of_memory_is_called_so(link: bus.Bus, contained: Run) -> None:
    limits = ("--memory", "128m", "--memory-swap", "128m")
    async with contained("--", "python3", "-c", EATS, docker=limits) as container:
        assert await container.ended() == 137
    beat = await last(link)
    assert (beat.state, beat.reason, beat.exit_code) == (0, "oom", 137)


async def test_a_signal_of_its_own_is_named(link: bus.Bus, contained: Run) -> None:
    async with contained("--", "sh", "-c", "kill -SEGV $$") as container:
        assert await container.ended() == 139
    beat = await last(link)
    assert (beat.state, beat.reason, beat.exit_code) == (0, "signal SIGSEGV", 139)


async def test_what_runs_around_the_application(link: bus.Bus, contained: Run) -> None:
    async with contained(*AROUND) as container:
        assert await container.ended() == 6
        lines = (await container.said()).splitlines()
    assert (lines[0], lines[-1]) == ("before", "after")
    assert lines.count("application") == 2
    assert lines.count("beside") > 2  # it ends five times a second and is started again
    told = [(one.change, one.reason) for one in await scene.changes(link)]
    again = ("stopped", "exited, started again in 0.1 s")
    assert told == [("started", ""), again, ("started", ""), ("stopped", "exited")]


async def test_last_words_wait_for_nats_within_docker_stop(server: scene.Server, contained: Run) -> None:
    await server.start()
    async with bus.connect(settings.Nats(url=server.url), "test") as link:
        await bus.provision(link)
        script = f"trap 'echo gone; exit 3' TERM; {WAITS}"
        async with contained("--nats", server.url, "--", "sh", "-c", script) as container:
            assert (await last(link)).state == 1
            await container.here()
            await server.kill()
            async with asyncio.TaskGroup() as group:
                group.create_task(containers.docker("stop", "--time", "20", container.name))
                await containers.met(lambda: _has_said(container, "gone"))
                await server.start()
            assert await container.ended() == 3
        async with asyncio.timeout(15), aclosing(scene.beats(link)) as beats:
            while (beat := await anext(beats)).state:
                pass
    assert (beat.reason, beat.exit_code) == ("stopped", 3)


@FIRST_OR_NOT
async def test_orphans_are_reaped(contained: Run, docker: tuple[str, ...]) -> None:
    async with contained("--", "sh", "-c", NO_ZOMBIES, docker=docker) as container:
        assert await container.ended() == 0
        assert await container.said() == ""


async def test_a_failed_pre_start_is_what_docker_and_others_hear(link: bus.Bus, contained: Run) -> None:
    async with contained("--pre-start", "sh -c 'exit 9'", "--", "sleep", "60") as container:
        assert await container.ended() == 9
    assert (await last(link)).reason == "pre-start: exited with 9"


async def test_maintenance_through_docker_exec(link: bus.Bus, contained: Run) -> None:
    words = ("--health", "true", "--health-interval", "100ms", "--", "sh", "-c", WAITS)
    async with contained(*words) as container, asyncio.timeout(15), aclosing(scene.beats(link)) as beats:
        while (await anext(beats)).health != "passing":
            pass
        switch = ("python3", "-m", "concierge_courier", "maintenance", "on", "--instance", "web-1")
        assert await containers.docker("exec", container.name, *switch) == "on"
        while not (await anext(beats)).maintenance:
            pass


async def test_hardened(link: bus.Bus, contained: Run) -> None:
    """Nothing to write, no rights, nobody in particular."""
    hardened = ("--read-only", "--user", "1234:1234", "--cap-drop", "ALL")
    async with contained("--", "sh", "-c", "sleep 0.5; exit 6", docker=hardened) as container:
        assert await container.ended() == 6
        assert "no maintenance switch" in await _all(container)
    assert (await last(link)).exit_code == 6
