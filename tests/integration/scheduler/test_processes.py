"""The scheduler and real processes, each under a real courier: out, in, killed and found again, ended."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from concierge_proto import bus, settings
from concierge_scheduler import run
from concierge_scheduler.targets import process
from concierge_scheduler.targets.lock import Lock
from tests.integration.scheduler import stage

SLEEPING = settings.Process(command=(sys.executable, "-c", "import time; time.sleep(1000)"))
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(1000)"
SCHEDULER = Path(sys.executable).with_name("concierge-scheduler")


def house(url: str, directory: Path, **changes: object) -> settings.Settings:
    return settings.Settings(
        nats=settings.Nats(url=url),
        targets={"shop": settings.Target(kind="process", directory=str(directory))},
        services={"web": stage.policy(process=SLEEPING, heard=True, **{"converge": 15.0, **changes})},
    )


def local(config: settings.Settings) -> process.Process:
    """Return a second pair of eyes on the same directory."""
    return process.Process(Path(config.targets["shop"].directory), config.services, config.nats.url)


async def names(target: process.Process) -> list[str]:
    return [one.name for one in (await target.read())["web"].instances]


@pytest.fixture
async def config(nats_url: str, tmp_path: Path) -> AsyncIterator[settings.Settings]:
    """A house with one service; whatever is left of it is killed."""
    found = house(nats_url, tmp_path / "shop")
    yield found
    for path in Path(found.targets["shop"].directory).rglob("*.lock"):
        for pid in Lock(path).holders():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@contextlib.asynccontextmanager
async def running(config: settings.Settings, link: bus.Bus, *, end: bool = True) -> AsyncIterator[None]:
    ready = asyncio.Event()
    task = asyncio.create_task(run.run(config, link, ready=ready, end_instances=end))
    try:
        async with asyncio.timeout(stage.PATIENCE):
            await ready.wait()
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_starts_its_first_instance_scales_out_and_in_and_leaves_nothing(
    link: bus.Bus, config: settings.Settings
) -> None:
    eyes = local(config)
    async with stage.hearing(link) as ear, running(config, link):
        await ear.until(lambda: ear.outcomes)
        assert await names(eyes) == ["web-1"]
        await stage.send(link, stage.command("scale_out", 2))
        await ear.until(lambda: len(ear.outcomes) == 2)
        assert await names(eyes) == ["web-1", "web-2", "web-3"]
        await stage.send(link, stage.command("scale_in", 2, problem="zabbix/2"))
        await ear.until(lambda: len(ear.outcomes) == 3)
        assert await names(eyes) == ["web-1"]
    assert [one.reason for one in ear.acts] == ["below_min", "ok", "ok"]
    assert [one.result for one in ear.outcomes] == ["converged"] * 3
    assert (ear.outcomes[1].added, ear.outcomes[2].removed) == (("web-2", "web-3"), ("web-2", "web-3"))
    assert await names(eyes) == []


async def test_instances_outlive_a_scheduler_that_does_not_own_them(
    link: bus.Bus, config: settings.Settings
) -> None:
    async with stage.hearing(link) as ear, running(config, link, end=False):
        await ear.until(lambda: ear.outcomes)
    assert await names(local(config)) == ["web-1"]


async def test_a_killed_scheduler_s_instances_are_found_again(
    link: bus.Bus, config: settings.Settings, nats_url: str, tmp_path: Path
) -> None:
    toml = tmp_path / "concierge.toml"
    toml.write_text(written(config, nats_url))
    eyes = local(config)
    async with stage.hearing(link) as ear:
        child = await asyncio.create_subprocess_exec(str(SCHEDULER), "--config", str(toml), stderr=-3)
        await ear.until(lambda: ear.outcomes)
        child.kill()
        await child.wait()
        before = (await eyes.read())["web"].instances
        async with running(config, link):
            await stage.send(link, stage.command())
            await ear.until(lambda: len(ear.outcomes) == 2)
            after = (await eyes.read())["web"].instances
        assert len(before) == 1
        assert after[0] == before[0]
        assert [one.name for one in after] == ["web-1", "web-2"]
        assert [one.reason for one in ear.acts] == ["below_min", "ok"]
    assert await names(eyes) == []


async def test_an_instance_that_dies_is_replaced(link: bus.Bus, config: settings.Settings) -> None:
    eyes = local(config)
    async with stage.hearing(link) as ear, running(config, link):
        await ear.until(lambda: ear.outcomes)
        first = (await eyes.read())["web"].instances[0]
        os.kill(int(first.id.partition("/")[2]), signal.SIGTERM)
        await ear.until(lambda: len(ear.outcomes) == 2)
        second = (await eyes.read())["web"].instances[0]
    assert (first.name, second.name) == ("web-1", "web-1")
    assert first.id != second.id
    assert ear.controls == ["drift"]


class TestAlone:
    """The target without a scheduler."""

    @pytest.fixture
    def target(self, tmp_path: Path) -> Iterator[process.Process]:
        services = {
            "web": stage.policy(process=SLEEPING),
            "deaf": stage.policy(process=settings.Process(command=(sys.executable, "-c", DEAF))),
        }
        target = process.Process(tmp_path / "shop", services, "nats://127.0.0.1:9")
        target._grace = 1.0
        yield target
        for path in tmp_path.rglob("*.lock"):
            for pid in Lock(path).holders():
                os.kill(pid, signal.SIGKILL)

    async def test_the_lowest_free_number_comes_and_the_highest_goes(self, target: process.Process) -> None:
        await target.scale("web", 3, "")
        while target._lock("web", 2).held:  # its courier may just be starting the application
            for pid in target._lock("web", 2).holders():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(0.01)
        assert await names(target) == ["web-1", "web-3"]
        await target.scale("web", 3, "")
        assert await names(target) == ["web-1", "web-2", "web-3"]
        await target.scale("web", 1, "")
        assert await names(target) == ["web-1"]

    async def test_what_ignores_sigterm_is_killed_after_the_grace(self, target: process.Process) -> None:
        await target.scale("deaf", 1, "")
        log = target._directory / "deaf" / "1.lock"
        while len(Lock(log).holders()) < 2:  # the courier and its application
            await asyncio.sleep(0.01)
        await target.scale("deaf", 0, "")
        assert not Lock(log).held

    async def test_a_pid_that_was_used_again_is_left_alone(self, target: process.Process) -> None:
        bystander = await asyncio.create_subprocess_exec("sleep", "1000")
        folder = target._directory / "web"
        folder.mkdir(parents=True)
        (folder / "1.lock").write_text(f'{{"pid": {bystander.pid}, "port": 1}}')
        assert await names(target) == []
        await target.scale("web", 0, "")
        assert bystander.returncode is None
        bystander.kill()
        await bystander.wait()

    async def test_a_courier_that_died_leaves_an_instance_that_can_still_be_ended(
        self, target: process.Process
    ) -> None:
        await target.scale("web", 1, "")
        lock = target._lock("web", 1)
        while len(lock.holders()) < 2:
            await asyncio.sleep(0.01)
        os.kill(lock.read().pid, signal.SIGKILL)
        target._reap()
        assert await names(target) == ["web-1"]
        await target.scale("web", 0, "")
        assert await names(target) == []


class TestProgram:
    """`concierge-scheduler` as operators start it."""

    async def test_ends_politely_and_with_zero(
        self, nats_url: str, config: settings.Settings, tmp_path: Path
    ) -> None:
        toml = tmp_path / "concierge.toml"
        toml.write_text(written(config, nats_url))
        child = await asyncio.create_subprocess_exec(str(SCHEDULER), "--config", str(toml), stderr=-1)
        assert child.stderr
        async with asyncio.timeout(stage.PATIENCE):
            while b"converged" not in await child.stderr.readline():
                pass
            child.terminate()
            await child.communicate()
        assert child.returncode == 0

    async def test_shows_that_it_is_ready_and_what_it_counts(
        self, nats_url: str, config: settings.Settings, tmp_path: Path
    ) -> None:
        toml, listen = tmp_path / "concierge.toml", process._free_port()
        toml.write_text(written(config, nats_url).replace('listen = ""', f'listen = "127.0.0.1:{listen}"'))
        child = await asyncio.create_subprocess_exec(str(SCHEDULER), "--config", str(toml), stderr=-1)
        assert child.stderr
        async with asyncio.timeout(stage.PATIENCE):
            while b"converged" not in await child.stderr.readline():
                pass
            counted = ""
            while 'concierge_scheduler_instances{service="web"} 1.0' not in counted:
                counted = await page(listen, "/metrics")
            ready = await page(listen, "/readyz")
            child.terminate()
            await child.communicate()
        assert ready.startswith("HTTP/1.1 200")
        assert 'concierge_scheduler_outcomes_total{result="converged",target="shop"} 1.0' in counted

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("", "nats.url is not set"),
            ("[nats]\nurl='x'\n[services.web]\ntarget='shop'\nmax=1", "no [targets.shop]"),
        ],
    )
    async def test_says_what_is_wrong_and_exits_with_two(
        self, tmp_path: Path, text: str, sentence: str
    ) -> None:
        toml = tmp_path / "concierge.toml"
        toml.write_text(text)
        child = await asyncio.create_subprocess_exec(str(SCHEDULER), "--config", str(toml), stderr=-1)
        async with asyncio.timeout(stage.PATIENCE):
            said = (await child.communicate())[1].decode()
        assert child.returncode == 2
        assert sentence in said
        assert said.count("\n") == 1


async def page(listen: int, path: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", listen)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    found = (await reader.read()).decode()
    writer.close()
    return found


def written(config: settings.Settings, url: str) -> str:
    """Return the house as a file."""
    command = ", ".join(f"'{word}'" for word in SLEEPING.command)
    return f"""
[nats]
url = "{url}"
[scheduler]
listen = ""
[targets.shop]
kind = "process"
directory = "{config.targets["shop"].directory}"
[services.web]
target = "shop"
max = 5
settle = "50ms"
[services.web.process]
command = [{command}]
"""
