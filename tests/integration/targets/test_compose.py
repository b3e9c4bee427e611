"""compose on a real engine: what people and accidents do to it between our calls."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from concierge_proto import errors, settings
from concierge_scheduler.targets import compose, port
from tests import containers, gate, peer
from tests.peers import process

PORT = process.free_port()
SERVICES: dict[str, dict[str, object]] = {
    "web": {},
    "web-admin": {},
    "sick": {"healthcheck": {"test": ["CMD", "false"], "interval": "100ms", "retries": 1}},
    "named": {"container_name": "the-only-one"},
    "hosted": {"hostname": "always-me"},
    "fixed": {"ports": [f"127.0.0.1:{PORT}:80"]},
    "ranged": {"ports": ["127.0.0.1:32700-32767:80", "80"]},
    "big": {"mem_limit": "1g"},
    "pulled": {"image": "concierge-tests/nobody-has-this:1", "pull_policy": "always"},
}


SCHEDULER = """
import asyncio, sys
from concierge_proto import settings
from concierge_scheduler.targets import compose

host, project, folder = sys.argv[1:]
target = settings.Target(
    kind="compose", host=host, project=project, files=("compose.yaml",), project_directory=folder
)
services = {"web": settings.Service(target="shop", max=9)}
asyncio.run(compose.Compose("shop", target, services).scale("web", 9, "i1"))
"""


def configured(*names: str) -> dict[str, settings.Service]:
    return {name: settings.Service(target="shop", max=9) for name in names}


@pytest.fixture
async def project(tmp_path: Path) -> AsyncIterator[settings.Target]:
    peer.need("docker")
    async with containers.compose(tmp_path, SERVICES, ["web", "web-admin"]) as target:
        yield target


@pytest.fixture
async def shop(project: settings.Target) -> AsyncIterator[port.Target]:
    async with compose.open("shop", project, configured("web", "web-admin", "sick", "pulled"), "") as target:
        yield target


def words(project: settings.Target) -> tuple[str, ...]:
    return (
        "compose",
        "--project-name",
        project.project,
        "--file",
        f"{project.project_directory}/compose.yaml",
    )


async def test_what_somebody_does_by_hand_shows(shop: port.Target, project: settings.Target) -> None:
    await containers.docker(*words(project), "up", "--detach", "--no-deps", "--scale", "web=3", "web")
    seen = await containers.until(shop, "web", 3)
    await containers.docker("kill", seen.instances[0].name)
    assert len((await containers.until(shop, "web", 2)).instances) == 2


async def test_a_race_with_somebody_is_mended_by_the_next_call(
    shop: port.Target, project: settings.Target
) -> None:
    by_hand = compose.Compose("shop", project, configured("web"))  # its own turns, as another process has
    for count in (2, 5, 3):
        racers = (shop.scale("web", 4, "ours"), by_hand.scale("web", count, "theirs"))
        said = await asyncio.gather(*racers, return_exceptions=True)
        assert all(answer is None or isinstance(answer, errors.Temporary) for answer in said), said
        await insisted(shop, 4)
        await insisted(shop, 1)


async def test_fewer_take_away_first_what_does_not_run(shop: port.Target) -> None:
    """Compose alone takes the highest numbers, also where those are all that run."""
    await shop.scale("web", 4, "out")
    dead, paused, *well = (await containers.until(shop, "web", 4)).instances
    await containers.docker("kill", dead.id)
    await containers.docker("pause", paused.id)
    ids = {one.id for one in well}
    for count in (2, 1):
        await shop.read()
        await shop.scale("web", count, "in")
        ids &= {one.id for one in (await containers.until(shop, "web", count)).instances}
        assert len(ids) == count


async def test_a_container_that_is_run_once_is_no_instance(
    shop: port.Target, project: settings.Target
) -> None:
    await containers.docker(*words(project), "run", "--detach", "--no-deps", "web", "sleep", "100")
    assert (await shop.read())["web"].present == 1


async def test_the_hostname_is_what_the_container_calls_itself(shop: port.Target) -> None:
    (one,) = (await shop.read())["web"].instances
    assert await containers.docker("exec", one.id, "hostname") == one.hostname


async def test_an_unhealthy_container_is_not_settled(shop: port.Target) -> None:
    await shop.scale("sick", 1, "i1")

    async def unhealthy() -> bool:
        return "(unhealthy)" in (await shop.read())["sick"].instances[0].detail

    await containers.met(unhealthy)
    seen = (await shop.read())["sick"]
    assert (seen.present, seen.settled, seen.instances[0].running) == (1, 0, True)


async def test_a_name_of_ours_finds_a_name_of_theirs(project: settings.Target) -> None:
    services = {"front": settings.Service(target="shop", name="web", max=3)}
    async with compose.open("shop", project, services, "") as target:
        await target.scale("front", 2, "i1")
        assert (await containers.until(target, "front", 2)).service == "front"


async def test_a_service_of_another_target_is_not_ours(project: settings.Target) -> None:
    services = {"web": settings.Service(target="elsewhere", max=3)}
    async with compose.open("shop", project, services, "") as target:
        assert await target.read() == {}


async def test_the_project_is_named_by_its_file(project: settings.Target) -> None:
    folder = Path(project.project_directory)
    file = json.loads((folder / "compose.yaml").read_text("utf-8"))
    (folder / "compose.yaml").write_text(json.dumps(file | {"name": project.project}), "utf-8")
    unnamed = msgspec.structs.replace(project, project="")
    async with compose.open("shop", unnamed, configured("web"), "") as target:
        assert (await target.identity()).endswith(f"/{project.project}")
        assert (await target.read())["web"].present == 1


def deed(verb: str, instances: tuple[port.Instance, ...], **changes: object) -> port.Deed:
    facts = {"verb": verb, "instances": instances, "every": True, "intent": "i1"}
    return msgspec.convert({**facts, **changes}, port.Deed)


async def test_a_resize_changes_the_running_containers(shop: port.Target) -> None:
    before = (await shop.read())["web"]
    await shop.act("web", deed("resize", before.instances, cpus=0.5, memory=64 * 1024**2))
    limits = "{{.HostConfig.NanoCpus}} {{.HostConfig.Memory}} {{.HostConfig.MemorySwap}}"
    (one,) = before.instances
    assert await containers.docker("inspect", "--format", limits, one.id) == "500000000 67108864 134217728"
    await shop.act("web", deed("resize", before.instances, memory=32 * 1024**2))
    assert await containers.docker("inspect", "--format", limits, one.id) == "500000000 33554432 67108864"
    assert (await shop.read())["web"].instances[0].id == one.id, "it runs on"


async def test_a_signal_reaches_the_one_that_is_meant(shop: port.Target) -> None:
    await shop.scale("web", 2, "two")
    first, second = (await containers.until(shop, "web", 2)).instances
    await shop.act("web", deed("signal", (second,), signal="KILL", every=False))
    seen = await containers.until(shop, "web", 1)
    assert [one.id for one in seen.instances] == [first.id]


async def test_what_can_not_have_two_says_why(project: settings.Target) -> None:
    target = compose.Compose("shop", project, configured(*SERVICES, "nosuch"))
    assert [await target.why_not(name, 9) for name in ("web", "ranged")] == ["", ""]
    assert "container_name: the-only-one" in await target.why_not("named", 9)
    assert "hostname: always-me" in await target.why_not("hosted", 9)
    assert f"fixed host port {PORT}" in await target.why_not("fixed", 9)
    assert "no service of the compose file" in await target.why_not("nosuch", 9)
    assert "68 host ports (32700-32767) and max is 99" in await target.why_not("ranged", 99)
    assert "big takes 1024 MB an instance" in await target.why_not("big", 9999)


async def test_docker_refuses_what_can_not_have_two(project: settings.Target) -> None:
    async with compose.open("shop", project, configured("named", "fixed"), "") as target:
        with pytest.raises(errors.Permanent, match="container_name"):
            await target.scale("named", 2, "i1")
        with pytest.raises(errors.Permanent, match="publish a range of ports"):
            await target.scale("fixed", 2, "i2")
        seen = (await target.read())["fixed"]
        assert (seen.present, seen.settled) == (2, 1), "one is created and can not start"


async def test_a_service_that_the_file_does_not_have(project: settings.Target) -> None:
    async with compose.open("shop", project, configured("nosuch"), "") as target:
        assert (await target.read())["nosuch"].wanted == 0
        with pytest.raises(errors.Permanent, match="no such service: nosuch"):
            await target.scale("nosuch", 2, "i1")


async def test_an_image_is_never_pulled(shop: port.Target) -> None:
    with pytest.raises(errors.Permanent, match="build or pull the image"):
        await shop.scale("pulled", 1, "i1")


async def test_an_engine_that_is_away_is_temporary(project: settings.Target, tmp_path: Path) -> None:
    away = msgspec.structs.replace(project, host=f"unix://{tmp_path}/nobody.sock")
    async with compose.open("shop", away, configured("web"), "") as target:
        for call in (target.identity(), target.read(), target.scale("web", 2, "i1")):
            with pytest.raises(errors.Temporary, match="is the engine running"):
                await call


async def test_a_client_that_was_killed_in_the_middle_is_made_good(
    shop: port.Target, project: settings.Target
) -> None:
    scale = (*words(project), "up", "--detach", "--no-deps", "--scale", "web=8", "web")
    child = await asyncio.create_subprocess_exec(
        *("docker", "--host", project.host, *scale),
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    await begun(shop)
    os.killpg(child.pid, signal.SIGKILL)
    await child.wait()
    await insisted(shop, 8)
    await insisted(shop, 1)


async def test_nothing_goes_on_when_we_are_killed(shop: port.Target, project: settings.Target) -> None:
    place = (project.host, project.project, project.project_directory)
    ours = await asyncio.create_subprocess_exec(sys.executable, "-c", SCHEDULER, *place)
    await begun(shop)
    ours.send_signal(signal.SIGKILL)
    await ours.wait()
    await containers.met(lambda: ended(project.project))
    left = (await shop.read())["web"]
    assert left.settled < 9, "its docker stopped with it"
    before = {one.id for one in left.instances}
    after = await insisted(shop, 9)
    assert {one.id for one in after.instances} >= before, "what the killed one had created is used"


async def test_an_engine_that_hangs_costs_its_deadline_and_nothing_else(
    shop: port.Target, project: settings.Target, hanging: gate.Gate
) -> None:
    slow = msgspec.structs.replace(project, host=f"unix://{hanging.address}", timeout=settings.Duration(1))
    async with compose.open("slow", slow, {"web": settings.Service(target="slow", max=9)}, "") as target:
        assert (await target.read())["web"].present == 1
        hanging.melted.clear()
        began = time.monotonic()
        calls = [
            asyncio.create_task(call) for call in (target.read(), target.read(), target.scale("web", 2, "i1"))
        ]
        assert (await shop.read())["web"].present == 1, "its neighbour answers"
        for call in calls:
            with pytest.raises(errors.Temporary, match="did not answer in time"):
                await call
        assert time.monotonic() - began < 4
        assert not running(f"unix://{hanging.address}")
        hanging.melted.set()
        assert (await target.read())["web"].settled >= 1


async def insisted(shop: port.Target, count: int) -> port.Observed:
    """Call until the number is true.

    What a killed or a racing client has asked the engine for can appear after our own client has looked around.
    """
    for _ in range(3):
        with contextlib.suppress(errors.Temporary, TimeoutError):
            await shop.scale("web", count, "again")
            async with asyncio.timeout(8):
                return await containers.until(shop, "web", count)
    return await containers.until(shop, "web", count)


async def begun(shop: port.Target) -> None:
    """Wait until compose has created something and has not finished."""

    async def created() -> bool:
        return (await shop.read())["web"].present > 1

    await containers.met(created)


async def ended(mark: str) -> bool:
    return not running(mark)


def running(mark: str) -> list[str]:
    """Return the docker children on this machine that have `mark` among their arguments."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if any(mark in word for word in line) and any("docker" in Path(word).name for word in line):
            found.append(" ".join(line))
    return found
