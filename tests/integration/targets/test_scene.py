"""The scene that users run, with a real courier in real containers."""

import asyncio
import os
import secrets
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from concierge_cli import nats
from concierge_proto import bus, messages, metric, settings, subjects
from concierge_scheduler.targets import compose, port, swarm
from tests import containers, image, peer

SHOP = Path(__file__).parents[3] / "compose" / "shop"
LOAD = metric.parse("gauge[load,value]")


@pytest.fixture
async def link(tmp_path: Path) -> AsyncIterator[bus.Bus]:
    """A bus where containers reach it."""
    peer.need("docker")
    listen = os.environ["PEER_DOCKER_GATEWAY"]
    async with (
        nats.server(tmp_path / "nats", tmp_path / "run", listen=listen) as url,
        bus.connect(settings.Nats(url=url), "test") as connected,
    ):
        (tmp_path / "url").write_text(url, "utf-8")
        await bus.provision(connected)
        yield connected


@pytest.fixture
async def scene(tmp_path: Path, link: bus.Bus) -> AsyncIterator[Path]:
    """The folder of the shop, which is open."""
    folder = tmp_path / "shop"
    shutil.copytree(SHOP, folder)
    built = await asyncio.to_thread(image.courier_image, peer.need("docker"), peer.need("image"))
    variables = {"SHOP_IMAGE": built, "NATS_URL": (tmp_path / "url").read_text("utf-8"), "INTERVAL": "200ms"}
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in variables.items()), "utf-8")
    words = (
        "compose",
        "--project-name",
        f"ct-{tmp_path.name[-20:].lower()}",
        "--project-directory",
        str(folder),
    )
    try:
        await containers.docker(*words, "up", "--detach", "--no-build")
        (folder / "project").write_text(words[2], "utf-8")
        yield folder
    finally:
        await containers.docker(*words, "down", "--timeout", "5")


@pytest.fixture
async def shop(scene: Path) -> AsyncIterator[port.Target]:
    """The target as the scene's own configuration has it, on the engine of the tests."""
    found = settings.load(scene / "concierge.toml", {})
    here = msgspec.structs.replace(
        found.targets["shop"],
        host=peer.need("docker"),
        project=(scene / "project").read_text("utf-8"),
        project_directory=str(scene),
    )
    async with compose.open("shop", here, found.services, "") as target:
        yield target


def load(snapshot: messages.Snapshot) -> float | None:
    for block in snapshot.blocks:
        for name, field, value in block.cells():
            if metric.Metric(block.kind, name, field) == LOAD and not isinstance(value, str):
                return float(value)
    return None


async def loads(link: bus.Bus, expected: dict[str, float]) -> None:
    """Listen until each of these instances has reported this load."""
    missing = dict(expected)
    async with (
        asyncio.timeout(containers.PATIENCE),
        link.listening(f"{subjects.ROOT}.snapshot.web.*") as snapshots,
    ):
        async for delivery in snapshots:
            seen = delivery.read(messages.Snapshot)
            if load(seen) == missing.get(seen.instance):
                del missing[seen.instance]
            if not missing:
                return


async def test_couriers_report_what_the_customers_bring(
    link: bus.Bus, scene: Path, shop: port.Target
) -> None:
    assert [await compose_of(shop).why_not("web", 9)] == [""]
    (one,) = (await containers.until(shop, "web", 1)).instances
    await loads(link, {one.hostname: 0.5})
    (scene / "load").write_text("1.6\n", "utf-8")
    await loads(link, {one.hostname: 1.6})
    await shop.scale("web", 2, "i1")
    two = await containers.until(shop, "web", 2)
    await loads(link, {each.hostname: 0.8 for each in two.instances})
    await shop.scale("web", 1, "i2")
    (left,) = (await containers.until(shop, "web", 1)).instances
    await loads(link, {left.hostname: 1.6})


async def test_one_that_goes_says_so_in_time(link: bus.Bus, shop: port.Target) -> None:
    await shop.scale("web", 2, "i1")
    two = await containers.until(shop, "web", 2)
    await loads(link, {each.hostname: 0.25 for each in two.instances})
    async with (
        asyncio.timeout(containers.PATIENCE),
        link.listening(f"{subjects.ROOT}.heartbeat.web.*") as beats,
    ):
        await shop.scale("web", 1, "i2")
        async for delivery in beats:
            beat = delivery.read(messages.Heartbeat)
            if beat.state == 0:
                break
    (left,) = (await containers.until(shop, "web", 1)).instances
    assert {beat.instance, left.hostname} == {each.hostname for each in two.instances}
    assert beat.reason


async def test_a_person_who_says_up_sets_the_number_back(scene: Path, shop: port.Target) -> None:
    await shop.scale("web", 2, "i1")
    await containers.until(shop, "web", 2)
    project = (scene / "project").read_text("utf-8")
    words = ("compose", "--project-name", project, "--project-directory", str(scene))
    await containers.docker(*words, "up", "--detach", "--no-build")
    await containers.until(shop, "web", 1)


async def test_the_stack_is_the_same_shop(link: bus.Bus, tmp_path: Path) -> None:
    peer.need("swarm")
    shutil.copytree(SHOP, tmp_path / "shop")
    built = await asyncio.to_thread(image.courier_image, peer.need("docker"), peer.need("image"))
    variables = {"SHOP_IMAGE": built, "NATS_URL": (tmp_path / "url").read_text("utf-8"), "INTERVAL": "200ms"}
    stack = f"ct{secrets.token_hex(4)}"
    services = {"web": settings.Service(target="shop", name=f"{stack}_web", max=3)}
    file = str(tmp_path / "shop" / "stack.yaml")
    words = ("stack", "deploy", "--compose-file", file, "--resolve-image", "never", stack)
    try:
        await containers.docker(*words, **variables)
        place = settings.Target(kind="swarm", host=peer.need("docker"))
        async with swarm.open("shop", place, services, "") as target:
            await containers.until(target, "web", 1)
            await loads(link, {subjects.instance_of(f"{stack}_web-1"): 0.5})
            await target.scale("web", 2, "i1")
            two = await containers.until(target, "web", 2)
            await loads(link, {subjects.instance_of(each.hostname): 0.25 for each in two.instances})
    finally:
        await containers.docker("stack", "rm", stack)
        await containers.met(lambda: gone(f"com.docker.stack.namespace={stack}"))


async def gone(label: str) -> bool:
    return not await containers.docker("ps", "--all", "--quiet", "--filter", f"label={label}")


def compose_of(target: port.Target) -> compose.Compose:
    assert isinstance(target, compose.Compose)
    return target
