"""Errands on real containers: what is proven is what the engine shows."""

import secrets
from pathlib import Path

from concierge_proto import bus, settings
from concierge_scheduler.targets import compose, swarm
from tests import containers, peer
from tests.integration.scheduler import stage

ROOM = settings.Room(max_cpus=2.0, max_memory=settings.Size(512 * 1024**2))
LIMITS = "{{.HostConfig.NanoCpus}} {{.HostConfig.Memory}}"


async def test_resize_then_out_then_restart(link: bus.Bus, tmp_path: Path) -> None:
    """The container that comes later gets the size, and a restart keeps number, size and ids."""
    peer.need("docker")
    services = {"web": stage.policy(resize=ROOM, converge=30.0)}
    async with (
        containers.compose(tmp_path, {"web": {}}, ["web"]) as project,
        compose.open("shop", project, services, "") as target,
        stage.hearing(link) as ear,
        stage.keeping(link, target, services, watch=0.5),
    ):
        await stage.send(link, stage.command("resize", 0, arguments={"cpus": "0.5", "memory": "67108864"}))
        await ear.until(lambda: ear.outcomes)
        await stage.send(link, stage.command("scale_out", 1, problem="zabbix/2"))
        await ear.until(lambda: len(ear.outcomes) == 3)
        ids = [one.id for one in (await target.read())["web"].instances]
        assert await containers.docker("inspect", "--format", LIMITS, *ids) == "\n".join(
            ["500000000 67108864"] * 2
        )
        started = await containers.docker("inspect", "--format", "{{.State.StartedAt}}", *ids)
        await stage.send(link, stage.command("restart", 0))
        await ear.until(lambda: len(ear.outcomes) == 4)
        assert [one.id for one in (await target.read())["web"].instances] == ids
        again = await containers.docker("inspect", "--format", "{{.State.StartedAt}}", *ids)
    assert not set(started.split()) & set(again.split())
    assert [(one.verb, one.result) for one in ear.outcomes] == [
        ("resize", "converged"),
        ("", "converged"),
        ("resize", "converged"),
        ("restart", "converged"),
    ]


async def test_one_task_of_a_swarm_is_restarted_alone(link: bus.Bus) -> None:
    peer.need("swarm")
    name = f"ct{secrets.token_hex(4)}"
    services = {"web": stage.policy(name=name, converge=30.0)}
    async with (
        containers.swarm([name], "--replicas", "2", "--restart-delay", "10ms") as place,
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
