"""Errands on real containers: what is proven is what the engine shows."""

import asyncio
import contextlib
import functools
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

from concierge_proto import bus, settings
from concierge_scheduler.targets import compose, port, swarm
from tests import containers, peer
from tests.integration.scheduler import stage

ROOM = settings.Room(max_cpus=2.0, max_memory=settings.Size(512 * 1024**2))
Shop = Callable[..., Coroutine[Any, Any, str]]
"""Somebody else's `docker compose`, of the test's project."""
LIMITS = "{{.HostConfig.NanoCpus}} {{.HostConfig.Memory}}"


async def test_resize_then_made_anew_then_restart(link: bus.Bus, tmp_path: Path) -> None:
    """A container that somebody makes anew gets the size again, and a restart keeps number, size and id.

    The new one is there before the old one, which takes its time, has stopped: that is no other number.
    """
    peer.need("docker")
    services = {"web": stage.policy(resize=ROOM, converge=30.0)}
    file = str(tmp_path / "compose.yaml")
    async with (
        containers.compose(tmp_path, {"web": {"init": False}}, ["web"]) as project,
        compose.open("shop", project, services, "") as target,
        stage.hearing(link) as ear,
        stage.keeping(link, target, services, watch=0.2),
    ):
        (old,) = (await target.read())["web"].instances
        await stage.send(link, stage.command("resize", 0, arguments={"cpus": "0.5", "memory": "67108864"}))
        await ear.until(lambda: ear.outcomes)
        words = ("compose", "--project-name", project.project, "--file", file, "up", "--detach")
        await containers.docker(*words, "--force-recreate", "--timeout", "1", "web")
        await ear.until(lambda: len(ear.outcomes) == 2)
        (new,) = (await target.read())["web"].instances
        assert await containers.docker("inspect", "--format", LIMITS, new.id) == "500000000 67108864"
        started = await containers.docker("inspect", "--format", "{{.State.StartedAt}}", new.id)
        await stage.send(link, stage.command("restart", 0))
        await ear.until(lambda: len(ear.outcomes) == 3)
        assert [one.id for one in (await target.read())["web"].instances] == [new.id] != [old.id]
        assert await containers.docker("inspect", "--format", "{{.State.StartedAt}}", new.id) != started
        assert await containers.docker("inspect", "--format", LIMITS, new.id) == "500000000 67108864"
    assert ear.controls == []
    verbs = [(one.verb, one.result) for one in ear.outcomes]
    assert verbs == [("resize", "converged"), ("resize", "converged"), ("restart", "converged")]


@contextlib.asynccontextmanager
async def watched(link: bus.Bus, folder: Path) -> AsyncIterator[tuple[Shop, port.Target, stage.Ear]]:
    """Two containers of a keeper that looks all the time, and somebody else's `docker compose` for them."""
    peer.need("docker")
    services = {"web": stage.policy(converge=30.0)}
    async with (
        containers.compose(folder, {"web": {"scale": 2, "init": False}}, ["web"]) as project,
        compose.open("shop", project, services, "") as target,
        stage.hearing(link) as ear,
        stage.keeping(link, target, services, watch=0.05),
    ):
        words = ("compose", "--project-name", project.project, "--file", str(folder / "compose.yaml"))
        yield functools.partial(containers.docker, *words), target, ear


async def test_what_somebody_else_does_and_what_is_no_other_number(link: bus.Bus, tmp_path: Path) -> None:
    """During a restart docker shows containers as ended. One that is taken away and put back ends the hold.

    While they are made anew a command waits, or it would take away what the other `up` works on.
    """
    async with watched(link, tmp_path) as (shop, target, ear):
        await shop("restart", "--timeout", "1", "web")
        one = (await target.read())["web"].instances[0]
        await containers.docker("rm", "--force", one.id)  # that it is gone is seen, in a moment
        await ear.until(lambda: ear.controls)
        await shop("up", "--detach")
        await ear.until(lambda: len(ear.controls) == 2)
        anew = asyncio.create_task(shop("up", "--detach", "--force-recreate", "--timeout", "4"))

        async def changes() -> bool:
            return (await target.read())["web"].changing

        await containers.met(changes)
        sent = await stage.send(link, stage.command())
        await anew
        (outcome,) = await ear.until(lambda: ear.outcomes)
    assert ear.controls == ["drift", "returned"]
    assert ear.reasons(sent) == [("wait", "changing"), ("act", "ok")]
    assert (outcome.before, outcome.after, outcome.result) == (2, 3, "converged")


async def test_down_and_up_again_by_somebody_else_holds_nothing_up(link: bus.Bus, tmp_path: Path) -> None:
    async with watched(link, tmp_path) as (shop, target, ear):
        await shop("down", "--timeout", "1")
        await ear.until(lambda: "drift" in ear.controls)
        await shop("up", "--detach")
        await containers.until(target, "web", 2)
        await ear.until(lambda: "started" in ear.controls)
        await stage.send(link, stage.command())
        (outcome,) = await ear.until(lambda: ear.outcomes)
    assert (outcome.before, outcome.after, outcome.result) == (2, 3, "converged")
    assert set(ear.controls[ear.controls.index("started") :]) == {"started"}


async def test_one_task_of_a_swarm_is_restarted_alone_and_a_paused_rollout_is_left_alone(
    link: bus.Bus,
) -> None:
    """A new number would carry the rollout on that has failed, to the task that still runs."""
    peer.need("swarm")
    name = f"ct{secrets.token_hex(4)}"
    services = {"web": stage.policy(name=name, converge=30.0)}
    quick = ("--restart-delay", "10ms", "--update-delay", "20s", "--rollback-monitor", "100ms")
    async with (
        containers.swarm([name], "--replicas", "2", *quick) as place,
        swarm.open("shop", place, services, "") as target,
        stage.hearing(link) as ear,
        stage.keeping(link, target, services),
    ):
        first, second = (await containers.until(target, "web", 2)).instances
        await stage.send(link, stage.command("restart", 0, arguments={"instance": first.name}))
        (outcome,) = await ear.until(lambda: ear.outcomes)
        left = {one.id for one in (await target.read())["web"].instances}
        assert (outcome.result, outcome.detail) == ("converged", first.name)
        assert len(left) == 2
        assert left & {first.id, second.id} == {second.id}, "its neighbour runs on"

        await containers.docker("service", "update", "--detach", "--quiet", "--args", "false", name)

        async def paused() -> bool:
            return bool((await target.read())["web"].stuck)

        await containers.met(paused)
        waits = await stage.send(link, stage.command())
        await ear.until(lambda: ear.reasons(waits) == [("wait", "changing")])
        assert left & {one.id for one in (await target.read())["web"].instances}, "one runs on"
        assert f"docker service rollback {name}" in ear.decisions[-1].detail
        await containers.docker("service", "rollback", "--detach", "--quiet", name)
        await ear.until(lambda: len(ear.outcomes) == 2)
    assert (ear.outcomes[1].wanted, ear.outcomes[1].result) == (3, "converged")


async def test_an_instance_that_dies_meanwhile_is_not_waited_for(link: bus.Bus, tmp_path: Path) -> None:
    """It is named at once, not after `converge`: Docker does not start it again."""
    peer.need("docker")
    services = {"web": stage.policy(resize=ROOM, converge=600.0, settle=30.0)}
    async with (
        containers.compose(tmp_path, {"web": {"scale": 2}}, ["web"]) as project,
        compose.open("shop", project, services, "") as target,
        stage.hearing(link) as ear,
        stage.keeping(link, target, services, watch=0.2),
    ):
        first, second = (await target.read())["web"].instances

        async def resized() -> bool:
            said = await containers.docker("inspect", "--format", LIMITS, first.id, second.id)
            return said.count("500000000 ") == len((first, second))

        await stage.send(link, stage.command("resize", 0, arguments={"cpus": "0.5"}))
        await containers.met(resized)
        await containers.docker("kill", first.id)
        (outcome,) = await ear.until(lambda: ear.outcomes)
    assert (outcome.result, outcome.after) == ("partial", 1)
    assert f"{first.name} died, and Docker does not start it again" in outcome.detail
