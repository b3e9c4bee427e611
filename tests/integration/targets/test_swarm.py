"""Swarm on a real engine: the number and the intent in one call, and nobody's tasks restarted."""

import asyncio
import secrets
from collections.abc import AsyncIterator

import msgspec
import pytest

from concierge_proto import errors, settings
from concierge_scheduler.targets import failures, port, swarm
from tests import containers, gate, peer

TEMPLATE = ("--hostname", "{{.Service.Name}}-{{.Task.Slot}}")


@pytest.fixture
async def name() -> AsyncIterator[str]:
    peer.need("swarm")
    unique = f"ct{secrets.token_hex(4)}"
    async with containers.swarm([unique], *TEMPLATE):
        yield unique


@pytest.fixture
async def shop(name: str) -> AsyncIterator[port.Target]:
    services = {"web": settings.Service(target="shop", name=name, max=9)}
    async with swarm.open("shop", place(), services, "") as target:
        await containers.until(target, "web", 1)
        yield target


def place(host: str = "") -> settings.Target:
    return settings.Target(kind="swarm", host=host or peer.need("docker"), timeout=settings.Duration(20))


async def inspect(name: str, what: str) -> str:
    return await containers.docker("service", "inspect", "--format", what, name)


async def test_the_intent_stands_on_the_service_and_restarts_nothing(shop: port.Target, name: str) -> None:
    (before,) = (await shop.read())["web"].instances
    await shop.scale("web", 2, "intent-7")
    after = await containers.until(shop, "web", 2)
    assert before.id in {one.id for one in after.instances}
    assert await inspect(name, '{{index .Spec.Labels "concierge.intent"}}') == "intent-7"
    assert await inspect(name, '{{index .Spec.TaskTemplate.ContainerSpec.Labels "concierge.intent"}}') == ""


async def test_the_hostname_is_what_the_task_calls_itself(shop: port.Target, name: str) -> None:
    (one,) = (await shop.read())["web"].instances
    container = await containers.docker(
        "ps", "--quiet", "--filter", f"label=com.docker.swarm.task.id={one.id}"
    )
    assert await containers.docker("exec", container, "hostname") == one.hostname == f"{name}-1"


async def test_parallel_updates_all_get_through(shop: port.Target, name: str) -> None:
    await asyncio.gather(*(shop.scale("web", count, f"i{count}") for count in range(1, 7)))
    intent = await inspect(name, '{{index .Spec.Labels "concierge.intent"}}')
    assert (await shop.read())["web"].wanted == int(intent.removeprefix("i"))


async def test_docker_does_call_parallel_updates_out_of_sequence(name: str) -> None:
    target = swarm.Swarm("shop", place(), {"web": settings.Service(target="shop", name=name, max=9)})
    words = ("service", "update", "--detach", "--quiet", "--replicas")
    answers: list[failures.Answer] = []
    async with asyncio.timeout(containers.PATIENCE):
        while not any(failures.raced(answer) for answer in answers):
            calls = (target._client.ask(*words, str(count), name) for count in range(1, 5))
            answers = await asyncio.gather(*calls)
    assert any(answer.code == 0 for answer in answers)


async def test_what_somebody_does_by_hand_shows(shop: port.Target, name: str) -> None:
    await containers.docker("service", "scale", "--detach", f"{name}=3")
    assert (await containers.until(shop, "web", 3)).wanted == 3


async def test_tasks_that_go_are_there_until_they_are_gone(shop: port.Target) -> None:
    await shop.scale("web", 3, "out")
    await containers.until(shop, "web", 3)
    await shop.scale("web", 1, "in")
    seen = (await shop.read())["web"]
    assert seen.wanted == 1
    assert seen.present > 1
    await containers.until(shop, "web", 1)


async def test_a_rollout_is_a_change(shop: port.Target, name: str) -> None:
    rolling = ("--force", "--update-delay", "1s", "--update-monitor", "100ms")
    await shop.scale("web", 2, "out")
    await containers.until(shop, "web", 2)
    await containers.docker("service", "update", "--detach", "--quiet", *rolling, name)

    async def changes(expected: bool) -> bool:
        return (await shop.read())["web"].changing is expected

    await containers.met(lambda: changes(True))
    await containers.met(lambda: changes(False))
    await containers.until(shop, "web", 2)


async def test_a_task_that_can_not_start_is_not_settled(shop: port.Target, name: str) -> None:
    await containers.docker("service", "update", "--detach", "--quiet", "--args", "false", name)

    async def down() -> bool:
        return (await shop.read())["web"].settled == 0

    await containers.met(down)
    assert (await shop.read())["web"].wanted == 1


def deed(verb: str, seen: port.Observed, **changes: object) -> port.Deed:
    facts = {"verb": verb, "instances": seen.instances, "every": True, "intent": f"{verb}-7"}
    return msgspec.convert({**facts, **changes}, port.Deed)


async def test_a_resize_is_a_rollout_with_the_intent(shop: port.Target, name: str) -> None:
    before = (await shop.read())["web"]
    await shop.act("web", deed("resize", before, cpus=0.5, memory=64 * 1024**2))
    limits = "{{json .Spec.TaskTemplate.Resources.Limits}}"
    assert await inspect(name, limits) == '{"NanoCPUs":500000000,"MemoryBytes":67108864}'

    async def rolled() -> bool:
        seen = (await shop.read())["web"]
        return seen.settled == 1 and not {one.id for one in seen.instances} & {before.instances[0].id}

    await containers.met(rolled)
    assert (await shop.read())["web"].intent == "resize-7"


async def test_a_task_that_nobody_would_replace_is_not_ended(name: str) -> None:
    once = f"{name}-once"
    services = {"once": settings.Service(target="shop", name=once, max=9)}
    async with (
        containers.swarm([once], "--restart-condition", "on-failure"),
        swarm.open("shop", place(), services, "") as target,
    ):
        seen = await containers.until(target, "once", 1)
        with pytest.raises(errors.Permanent, match="restart the whole service"):
            await target.act("once", deed("restart", seen, every=False))
        (left,) = (await target.read())["once"].instances
        assert left.id == seen.instances[0].id


async def test_a_task_on_another_node_is_out_of_reach(shop: port.Target) -> None:
    seen = (await shop.read())["web"]
    far = msgspec.structs.replace(seen.instances[0], id="elsewhere")
    for verb in ("signal", "restart"):
        with pytest.raises(errors.Permanent, match=f"another node; {verb} it by"):
            await shop.act("web", deed(verb, seen, instances=(far,), signal="HUP", every=False))


async def test_a_global_service_has_no_number(name: str) -> None:
    unique = f"{name}-all"
    services = {"web": settings.Service(target="shop", name=unique, max=9)}
    async with (
        containers.swarm([unique], "--mode", "global"),
        swarm.open("shop", place(), services, "") as target,
    ):
        assert (await containers.until(target, "web", 1)).wanted == 1
        with pytest.raises(errors.Permanent, match="global service"):
            await target.scale("web", 2, "i1")
        assert "no replicated service" in await target.why_not("web", 2)


async def test_what_can_not_have_so_many_says_why(name: str) -> None:
    big = f"{name}-big"
    services = {
        ours: settings.Service(target="shop", name=theirs, max=9)
        for ours, theirs in {"web": name, "big": big, "gone": f"{name}-gone"}.items()
    }
    async with (
        containers.swarm([big], "--reserve-memory", "1g"),
        swarm.open("shop", place(), services, "") as target,
    ):
        assert await target.why_not("web", 9999) == ""
        assert await target.why_not("big", 1) == ""
        assert f"{big} takes 1024 MB an instance" in await target.why_not("big", 9999)
        assert "docker service ls" in await target.why_not("gone", 2)


async def test_a_service_that_is_not_there_is_not_read(name: str) -> None:
    names = {"web": name, "gone": f"{name}x"}
    services = {ours: settings.Service(target="shop", name=theirs, max=9) for ours, theirs in names.items()}
    async with swarm.open("shop", place(), services, "") as target:
        assert set(await target.read()) == {"web"}
        with pytest.raises(errors.Permanent, match=f"no such service: {name}x"):
            await target.scale("gone", 2, "i1")


async def test_a_service_that_was_made_anew_is_found_again(shop: port.Target, name: str) -> None:
    await containers.docker("service", "rm", name)

    async def gone() -> bool:
        return "web" not in await shop.read()

    await containers.met(gone)
    await containers.docker(
        *(
            "service",
            "create",
            "--detach",
            "--quiet",
            "--no-resolve-image",
            "--init",
            "--stop-grace-period",
            "1s",
        ),
        *("--name", name, containers.tiny(), *containers.SLEEP),
    )
    await shop.scale("web", 2, "again")
    await containers.until(shop, "web", 2)


async def test_an_engine_that_hangs_is_temporary(name: str, hanging: gate.Gate) -> None:
    slow = msgspec.structs.replace(place(f"unix://{hanging.address}"), timeout=settings.Duration(1))
    services = {"web": settings.Service(target="slow", name=name, max=9)}
    async with swarm.open("slow", slow, services, "") as target:
        await target.read()
        hanging.melted.clear()
        for call in (target.read(), target.scale("web", 2, "i1"), target.identity()):
            with pytest.raises(errors.Temporary, match="did not answer in time"):
                await call
