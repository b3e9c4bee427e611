"""What happens to real engines while a scheduler serves them."""

import json
import secrets
import sys
from pathlib import Path

from concierge_proto import bus, settings
from concierge_scheduler.targets import compose, swarm
from tests import containers, daemon, peer
from tests.integration.scheduler import stage
from tests.integration.scheduler.test_run import running

SLEEPING = settings.Process(command=(sys.executable, "-c", "import time; time.sleep(1000)"))


def two_targets(folder: Path, host: str, nats_url: str) -> settings.Settings:
    """A compose project on an engine, and local processes beside it."""
    web = {"image": containers.tiny(), "command": containers.SLEEP, "init": True, "restart": "always"}
    (folder / "compose.yaml").write_text(json.dumps({"services": {"web": web}}), "utf-8")
    shop = settings.Target(
        kind="compose",
        host=host,
        project="shop",
        files=("compose.yaml",),
        project_directory=str(folder),
        timeout=settings.Duration(3),
    )
    local = settings.Target(kind="process", directory=str(folder / "local"))
    return settings.Settings(
        nats=settings.Nats(url=nats_url),
        targets={"shop": shop, "local": local},
        services={
            "web": stage.policy(converge=60.0),
            "api": stage.policy(target="local", process=SLEEPING, converge=60.0),
        },
    )


async def test_an_engine_that_hangs_and_dies_stops_nobody_else(
    link: bus.Bus, nats_url: str, tmp_path: Path
) -> None:
    async with (
        daemon.serving() as own,
        stage.hearing(link) as web,
        stage.hearing(link, "api") as api,
        running(two_targets(tmp_path, own.engine.host, nats_url), link),
    ):
        await stage.send(link, stage.command("scale_to", 1))
        await web.until(lambda: web.outcomes)
        own.freeze()
        await stage.send(link, stage.command("scale_to", 2, problem="zabbix/2"))
        await api.until(lambda: api.outcomes)  # its first instance
        await stage.send(link, stage.command(service="api", target="local"))
        await api.until(lambda: len(api.outcomes) == 2)
        assert len(web.outcomes) == 1, "it hangs"
        own.thaw()
        await web.until(lambda: len(web.outcomes) == 2)
        await own.restart()
        await stage.send(link, stage.command("scale_to", 3, problem="zabbix/3"))
        await web.until(lambda: len(web.outcomes) == 3)
    assert [(one.result, one.after) for one in web.outcomes] == [("converged", n) for n in (1, 2, 3)]
    assert [(one.result, one.after) for one in api.outcomes] == [("converged", n) for n in (1, 2)]


async def test_an_instance_that_crashes_again_and_again_is_never_converged(
    link: bus.Bus, tmp_path: Path
) -> None:
    peer.need("docker")
    crashing = {"command": ["sleep", "0.2"], "restart": "always"}
    services = {"web": stage.policy(converge=4.0, settle=1.0)}
    async with (
        containers.compose(tmp_path, {"web": crashing}) as project,
        compose.open("shop", project, services, "") as target,
        stage.hearing(link) as ear,
        stage.keeping(link, target, services),
    ):
        await stage.send(link, stage.command("scale_to", 1))
        (outcome,) = await ear.until(lambda: ear.outcomes)
    assert outcome.result == "timed_out"


async def test_a_swarm_without_room_says_so_before_and_after(link: bus.Bus) -> None:
    peer.need("swarm")
    name = f"ct{secrets.token_hex(4)}"
    memory = int(await containers.docker("info", "--format", "{{.MemTotal}}"))
    services = {"web": stage.policy(name=name, max=2, converge=4.0)}
    async with (
        containers.swarm([name], "--reserve-memory", str(memory * 6 // 10)) as place,
        swarm.open("shop", place, services, "") as target,
        stage.hearing(link) as ear,
        stage.keeping(link, target, services),
    ):
        await ear.until(lambda: ear.controls)
        await stage.send(link, stage.command())
        (outcome,) = await ear.until(lambda: ear.outcomes)
    assert (outcome.result, outcome.after) == ("timed_out", 1)
    assert "insufficient resources" in outcome.detail


async def test_an_image_that_is_missing_is_named(link: bus.Bus, tmp_path: Path) -> None:
    peer.need("docker")
    missing = {"image": "concierge-tests/nobody-has-this:1"}
    services = {"web": stage.policy()}
    async with (
        containers.compose(tmp_path, {"web": missing}) as project,
        compose.open("shop", project, services, "") as target,
        stage.hearing(link) as ear,
        stage.keeping(link, target, services),
    ):
        await stage.send(link, stage.command("scale_to", 1))
        (outcome,) = await ear.until(lambda: ear.outcomes)
    assert outcome.result == "failed"
    assert "concierge-tests/nobody-has-this" in outcome.detail
    assert "build or pull the image" in outcome.detail


async def test_a_plain_up_by_somebody_else_is_left_alone_and_not_fought(
    link: bus.Bus, tmp_path: Path
) -> None:
    peer.need("docker")
    services = {"web": stage.policy(converge=30.0)}
    async with (
        containers.compose(tmp_path, {"web": {}}, ["web"]) as project,
        compose.open("shop", project, services, "") as target,
        stage.hearing(link) as ear,
        stage.keeping(link, target, services, watch=0.5),
    ):
        await stage.send(link, stage.command())
        await ear.until(lambda: ear.outcomes)
        file = str(tmp_path / "compose.yaml")
        await containers.docker(
            "compose", "--project-name", project.project, "--file", file, "up", "--detach"
        )
        await ear.until(lambda: "drift" in ear.controls)
        automatic = await stage.send(link, stage.command(problem="zabbix/2"))
        await ear.until(lambda: ear.reasons(automatic))
        by_hand = await stage.send(link, stage.command(problem="", manual=True))
        await ear.until(lambda: len(ear.outcomes) == 2)
    assert ear.reasons(automatic)[0] == ("wait", "held")
    assert ear.reasons(by_hand)[0] == ("act", "ok")
    assert [(one.before, one.after, one.result) for one in ear.outcomes] == [(1, 2, "converged")] * 2
