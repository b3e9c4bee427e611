"""What `concierge doctor` finds of a target: on a real engine, and at a client that lies."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from concierge_proto import settings
from concierge_scheduler.targets import check, checkup
from tests import containers, peer

SERVICES = {
    "web": settings.Service(target="shop", max=3),
    "named": settings.Service(target="shop", max=3),
    "far": settings.Service(target="shop", max=3),
    "elsewhere": settings.Service(target="other", max=3),
}
PARTS: dict[str, dict[str, object]] = {
    "web": {},
    "named": {"container_name": "the-only-one"},
    "far": {"image": "concierge-tests/nobody-has-this:1"},
}

Answers = Callable[[Mapping[str, str]], None]


@pytest.fixture
def answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Answers:
    """Put a `docker` on PATH that answers by its first two words."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def give(said: Mapping[str, str]) -> None:
        cases = "\n".join(f"'{words}'*) echo '{answer}';;" for words, answer in said.items())
        file = tmp_path / "docker"
        file.write_text(f'#!/bin/sh\ncase "$*" in\n{cases}\n*) echo "no $*" >&2; exit 1;;\nesac\n', "utf-8")
        file.chmod(0o755)

    return give


async def found(target: settings.Target) -> dict[str, check.Check]:
    return {check.what: check async for check in checkup.look("shop", target, SERVICES)}


async def test_a_compose_project(tmp_path: Path) -> None:
    peer.need("docker")
    async with containers.compose(tmp_path, PARTS, ["web"]) as target:
        checks = await found(target)
    bad = {what: check for what, check in checks.items() if not check.good}
    assert set(bad) == {"image of far", "service named"}
    assert bad["image of far"].remedy == "build or pull it first"
    assert bad["service named"].remedy == "take it out"
    assert checks["service web"].found == "1 run, 1 to 3 are allowed"
    assert {"engine", "clock", "compose plugin", "project", "image of web"} < set(checks)


async def test_a_swarm() -> None:
    peer.need("swarm")
    checks = await found(settings.Target(kind="swarm", host=peer.need("docker")))
    assert checks["manager"].found.startswith("swarm/")
    assert checks["service web"].remedy == "`docker service ls` shows them"


async def test_an_engine_that_is_away_is_asked_nothing_more() -> None:
    checks = await found(settings.Target(kind="compose", host="unix:///nowhere.sock"))
    assert list(checks) == ["engine"]
    assert "is the target's `host` right?" in checks["engine"].remedy


async def test_an_old_plugin_and_a_clock_that_is_off(answers: Answers) -> None:
    answers(
        {
            "info": '{"ServerVersion":"24.0.1","SystemTime":"2026-01-01T00:00:00.123456789Z"}',
            "compose version": "2.17.2",
        }
    )
    checks = await found(settings.Target(kind="compose"))
    assert checks["engine"].found == "Docker 24.0.1"
    assert checks["clock"].remedy == "run a time service on both machines"
    assert checks["compose plugin"].remedy == "install the compose plugin, 2.20 or newer"
    assert list(checks)[-1] == "compose plugin", "the project is not read by a plugin that can't"


async def test_processes(tmp_path: Path) -> None:
    target = settings.Target(kind="process", directory=str(tmp_path))
    process = settings.Process(command=("no-such-program",))
    services = {"web": settings.Service(target="shop", max=3, process=process)}
    (check,) = [check async for check in checkup.look("shop", target, services)]
    assert (check.good, check.remedy) == (False, "install it, or write its full path")
