"""Several targets in one scheduler: each for itself."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from concierge_proto import bus, errors, settings
from concierge_scheduler import run
from concierge_scheduler.targets import memory, registry
from tests.integration.scheduler import stage

SLEEPING = settings.Process(command=(sys.executable, "-c", "import time; time.sleep(1000)"))


def target(directory: Path) -> settings.Target:
    return settings.Target(kind="process", directory=str(directory))


def service(name: str) -> settings.Service:
    return stage.policy(target=name, process=SLEEPING)


@contextlib.asynccontextmanager
async def running(config: settings.Settings, link: bus.Bus) -> AsyncIterator[run.Status]:
    ready, status = asyncio.Event(), run.Status(list(config.targets))
    task = asyncio.create_task(run.run(config, link, ready=ready, status=status, end_instances=True))
    try:
        async with asyncio.timeout(stage.PATIENCE):
            await ready.wait()
        yield status
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_a_target_that_is_away_stops_nobody(
    link: bus.Bus, nats_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = settings.Settings(
        nats=settings.Nats(url=nats_url),
        targets={
            "gone": settings.Target(kind="compose", host="tcp://127.0.0.1:9", project="gone"),
            "shop": target(tmp_path / "shop"),
        },
        services={"web": service("shop"), "api": stage.policy(target="gone")},
    )
    async with stage.hearing(link) as ear, running(config, link) as status:
        await ear.until(lambda: ear.outcomes)
        assert ear.outcomes[0].result == "converged"
        assert status.missing.startswith("target gone: ")
    said = [one.getMessage() for one in caplog.records if "target gone: " in one.getMessage()]
    assert said[0].endswith("; its commands wait")


async def test_one_endpoint_under_two_names_is_refused(link: bus.Bus, nats_url: str, tmp_path: Path) -> None:
    config = settings.Settings(
        nats=settings.Nats(url=nats_url),
        targets={"one": target(tmp_path / "shop"), "two": target(tmp_path / "shop")},
        services={},
    )
    async with running(config, link) as status:
        assert "it is the same endpoint as target" in status.missing


class Owned(memory.Memory):
    """Its first listing breaks in a way that nobody foresaw."""

    def __init__(self) -> None:
        super().__init__("shop", {"web": stage.policy()})
        self.ended = 0
        self.opened = 0

    async def identity(self) -> str:
        self.opened += 1
        if self.opened == 1:
            raise ZeroDivisionError
        return "owned"

    async def end_all(self) -> None:
        self.ended += 1


async def test_instances_end_at_the_end_and_not_with_a_fault(
    link: bus.Bus, nats_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owned = Owned()

    @contextlib.asynccontextmanager
    async def opening(*facts: object) -> AsyncIterator[Owned]:
        yield owned

    monkeypatch.setattr(registry, "find", lambda kind: opening)
    monkeypatch.setattr(run, "_REFUSED", 0.01)
    config = settings.Settings(
        nats=settings.Nats(url=nats_url),
        targets={"shop": target(tmp_path)},
        services={"web": stage.policy(process=SLEEPING)},
    )
    async with stage.hearing(link) as ear, running(config, link):
        await ear.until(lambda: ear.outcomes)
        assert owned.opened == 2
        assert owned.ended == 0
    assert owned.ended == 1


class Noting(Owned):
    """Notes, while it ends, whether its lease is held."""

    def __init__(self, link: bus.Bus) -> None:
        super().__init__()
        self.opened = 1
        self.leases = link.store("concierge_leases")
        self.held: list[bool] = []

    async def end_all(self) -> None:
        self.held.append(await self.leases.get("owned") is not None)
        self.counts["web"] = 0


async def test_the_lease_is_given_back_after_the_instances_have_ended(
    link: bus.Bus, nats_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noting = Noting(link)

    @contextlib.asynccontextmanager
    async def opening(*facts: object) -> AsyncIterator[Owned]:
        yield noting

    monkeypatch.setattr(registry, "find", lambda kind: opening)
    config = settings.Settings(
        nats=settings.Nats(url=nats_url),
        targets={"shop": target(tmp_path)},
        services={"web": stage.policy(process=SLEEPING)},
    )
    async with stage.hearing(link) as ear, running(config, link):
        await ear.until(lambda: ear.outcomes)
    assert noting.held == [True]
    assert await noting.leases.get("owned") is None


async def test_without_targets_it_is_ready_at_once(link: bus.Bus) -> None:
    async with running(settings.Settings(), link) as status:
        assert status.missing == ""


def test_a_kind_that_does_not_exist() -> None:
    with pytest.raises(errors.Permanent, match="there are compose, swarm, process, memory"):
        registry.find("kubernetes")
