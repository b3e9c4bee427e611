"""kill -9 of gateway, scheduler and NATS at each message that they store and at each call of the endpoint.

Whoever is killed is started again at once, and the sender repeats what was not taken. What must come of it, whatever
the point: exactly one step from 1 to 2, one call that counts, and the whole chain of events, each told once.

A death right after one point leaves the world as a death right before the next. So where the process itself dies
only the moments before are tried, all of them; NATS dies before and after each.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path

import pytest

from concierge_proto import bus, settings
from tests import containers, peer
from tests.loop import crash, paper, verdict
from tests.peers import process

AT_ONCE = 3
"""Compose projects that come or go at one time: a container's start costs more than all else here."""
SPARE = 2
"""Points tried beyond those of an undisturbed run: a restart passes some of its own."""
TOLD = {"document", "decision", "outcome"}
"""What the scheduler stores about a command, in `crash.deaths`' words."""


def paper_of(folder: Path) -> str:
    return f'kind = "process"\ndirectory = "{folder}"'


def count(passed: Iterable[str]) -> dict[str, int]:
    """Return how many points of each place were passed."""
    before = [line.partition(":")[0] for line in passed if ":before " in line]
    return {place: before.count(place) for place in sorted(set(before))}


@pytest.mark.timeout(300)
async def test_the_scheduler_dies_at_each_point(link: bus.Bus, nats_url: str, tmp_path: Path) -> None:
    port, names = process.free_port(), [f"s{number}" for number in range(40)]
    places = {name: paper_of(tmp_path / name) for name in names}
    config = crash.written(tmp_path / "all.toml", nats_url, port, places, {name: name for name in names})

    async def one(number: int, rule: str) -> crash.Part:
        name = names[number]
        paper.begin(tmp_path / name, name)
        await verdict.send(port, name, number)
        own = crash.written(tmp_path / f"{name}.toml", nats_url, port, {name: places[name]}, {name: name})
        part = crash.Part("concierge_scheduler", own, tmp_path / f"scheduler-{name}").kill_at(rule)
        async with crash.running(part):
            await verdict.prove(link, tmp_path / name, name, number)
        return part

    async with crash.running(crash.Part("concierge_gateway", config, tmp_path / "gateway")):
        points = count((await one(0, "never")).passed)
        rules = [f"{place}:before:{n}" for place in points for n in range(1, points[place] + SPARE)]
        tried = await crash.together(one(n, rule) for n, rule in enumerate(rules, 1))
    wanted = {f"bus:before {name}" for name in TOLD | {"control", "acknowledge"}}
    assert crash.deaths(tried) == wanted | {"docker:before scale"}


@pytest.mark.timeout(300)
async def test_the_gateway_dies_at_each_point(link: bus.Bus, nats_url: str, tmp_path: Path) -> None:
    names = [f"g{number}" for number in range(15)]
    place, services = {"paper": paper_of(tmp_path / "paper")}, dict.fromkeys(names, "paper")
    config = crash.written(tmp_path / "all.toml", nats_url, process.free_port(), place, services)

    async def one(number: int, rule: str) -> crash.Part:
        name, port = names[number], process.free_port()
        own = crash.written(tmp_path / f"{name}.toml", nats_url, port, place, services)
        part = crash.Part("concierge_gateway", own, tmp_path / f"gateway-{name}").kill_at(rule)
        async with crash.running(part):
            await verdict.send(port, name, number)
            await verdict.settled(link, name)
            await verdict.send(port, name, number)  # the sender never heard of the first answer
            await verdict.prove(link, tmp_path / "paper", name, number)
        return part

    for name in names:
        paper.begin(tmp_path / "paper", name)
    async with crash.running(crash.Part("concierge_scheduler", config, tmp_path / "scheduler")):
        points = count((await one(0, "never")).passed)["bus"]
        # it sends the trigger and the command at once: what of it has come when it dies differs
        rules = [f"bus:{moment}:{n}" for moment in ("before", "after") for n in range(1, points + 1)]
        tried = await crash.together(one(n, rule) for n, rule in enumerate(rules, 1))
    wanted = {
        f"bus:{moment} {name}" for moment in ("before", "after") for name in ("claim", "trigger", "command")
    }
    assert crash.deaths(tried) == wanted


@pytest.mark.timeout(300)
async def test_nats_dies_at_each_point(tmp_path: Path) -> None:
    lanes = [("gateway", 1, 1), ("scheduler", 1, 3), ("scheduler", 2, 3), ("scheduler", 3, 3)]
    tried = await crash.together(
        nats_dies(tmp_path / f"{moment}-{victim}-{first}", victim, moment, range(first, 30, step))
        for victim, first, step in lanes
        for moment in ("before", "after")
    )
    points = {*TOLD, "acknowledge", "claim", "trigger", "command"}
    assert crash.deaths(tried) == {
        f"bus:{moment} {name}" for moment in ("before", "after") for name in points
    }


async def nats_dies(folder: Path, victim: str, moment: str, numbers: Sequence[int]) -> crash.Part:
    """Let NATS die at these points of one of the two, one service after the other, until no more is passed."""
    folder.mkdir()
    server, port, names = crash.Server(folder), process.free_port(), [f"n{number}" for number in numbers]
    place, services = {"paper": paper_of(folder / "paper")}, dict.fromkeys(names, "paper")
    config = crash.written(folder / "concierge.toml", server.url, port, place, services)
    parts = {
        name: crash.Part(f"concierge_{name}", config, folder / name) for name in ("gateway", "scheduler")
    }
    for name in names:
        paper.begin(folder / "paper", name)
    async with crash.running(server):
        await server.up()
        async with crash.linked(server.url) as link, crash.running(*parts.values()):
            await verdict.attended(link, names)
            for number, name in zip(numbers, names, strict=True):
                parts[victim].kill_at(f"bus:{moment}:{number}:{server.pid}")
                await verdict.send(port, name, number)
                await verdict.prove(link, folder / "paper", name, number)
                if not parts[victim].obeyed:
                    return parts[victim]
    pytest.fail(f"{victim}: more points than services")


@pytest.mark.timeout(300)
async def test_the_scheduler_dies_at_each_call_of_docker(
    link: bus.Bus, nats_url: str, tmp_path: Path
) -> None:
    peer.need("docker")
    port, names, turns = (
        process.free_port(),
        [f"c{number}" for number in range(25)],
        asyncio.Semaphore(AT_ONCE),
    )
    elsewhere = {name: paper_of(tmp_path) for name in names}  # the gateway routes by the name alone
    config = crash.written(tmp_path / "all.toml", nats_url, port, elsewhere, {name: name for name in names})

    async def one(number: int, rule: str) -> crash.Part:
        name = names[number]
        await verdict.send(port, name, number)
        (tmp_path / name).mkdir()
        async with project(tmp_path / name, name, turns) as target:
            place = {name: compose_of(target)}
            own = crash.written(tmp_path / f"{name}.toml", nats_url, port, place, {name: name})
            part = crash.Part("concierge_scheduler", own, tmp_path / f"scheduler-{name}").kill_at(rule)
            async with crash.running(part):
                await verdict.settled(link, name)
                await verdict.judge(link, name, number)
            assert await containers.states(target.project) == ["running"] * 2
        return part

    async with crash.running(crash.Part("concierge_gateway", config, tmp_path / "gateway")):
        points = count((await one(0, "never")).passed)["docker"]
        rules = [f"docker:before:{n}" for n in range(1, points + 1)] + ["docker:during:1"] * 3
        tried = await crash.together(one(n, rule) for n, rule in enumerate(rules, 1))
    assert {"docker:before up", "docker:before ps", "docker:during up"} <= crash.deaths(tried)


@contextlib.asynccontextmanager
async def project(folder: Path, service: str, turns: asyncio.Semaphore) -> AsyncIterator[settings.Target]:
    """Give a compose project of its own; few of them come and go at a time."""
    made = containers.compose(folder, {service: {}}, [service])
    async with turns:
        target = await made.__aenter__()
    try:
        yield target
    finally:
        async with turns:
            await made.__aexit__(None, None, None)


def compose_of(target: settings.Target) -> str:
    return f"""
kind = "compose"
host = "{target.host}"
project = "{target.project}"
files = ["{target.files[0]}"]
project_directory = "{target.project_directory}"
"""
