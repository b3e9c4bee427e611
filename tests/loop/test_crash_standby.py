"""Two schedulers on one endpoint, and what becomes of the holder: killed, or stopped for 15 s and continued.

It happens at the worst moment: the number is stored and the lease was looked at, and the call is next, or is just done.
"""

import asyncio
from pathlib import Path

import pytest

from concierge_proto import bus
from tests.loop import crash, paper, verdict
from tests.peers import process

STOPPED = 15.0
"""Seconds: longer than a lease lives, so that the other has finished before it wakes up."""
CASES = {f"{end}-{moment}": (moment, end) for end in ("killed", "stopped") for moment in ("before", "after")}


@pytest.mark.timeout(300)
async def test_the_other_finishes_it_once(link: bus.Bus, nats_url: str, tmp_path: Path) -> None:
    port, services = process.free_port(), {name: name for name in CASES}
    places = {name: f'kind = "process"\ndirectory = "{tmp_path / name}"' for name in CASES}
    config = crash.written(tmp_path / "all.toml", nats_url, port, places, services)

    async def one(number: int, name: str) -> crash.Part:
        moment, end = CASES[name]
        paper.begin(tmp_path / name, name)
        own = crash.written(tmp_path / f"{name}.toml", nats_url, port, {name: places[name]}, {name: name})
        first, second = (crash.Part("concierge_scheduler", own, tmp_path / f"{name}-{n}") for n in (1, 2))
        first.kill_at(f"docker:{moment}:1" + (":STOP" if end == "stopped" else ""))
        async with crash.running(first):
            await first.holds()
            async with crash.running(second):
                await verdict.send(port, name, number)
                await verdict.settled(link, name)
                await verdict.judge(link, name, number)
                if end == "stopped":
                    await wake_up(first)
                await verdict.send(port, name, number + 100)
                await verdict.settled(link, name, steps=2)
        made = paper.calls(tmp_path / name, name)[1:]
        assert len(set(made)) == 2, made
        assert ({count for _, count in made}, made[-1][1]) == ({2, 3}, 3)
        return first

    async with crash.running(crash.Part("concierge_gateway", config, tmp_path / "gateway")):
        firsts = await crash.together(one(number, name) for number, name in enumerate(CASES))
    assert crash.deaths(firsts) == {"docker:before scale", "docker:after scale"}


async def wake_up(stopped: crash.Part) -> None:
    """Let it go on where it was, 15 s after it was stopped; it finds out that its lease is gone."""
    await stopped.stops()
    await asyncio.sleep(STOPPED)  # the time itself is what is tried
    stopped.go_on()
    await stopped.says("the lease is lost")
