"""Services that only labels bring: on a real NATS, with a target that only remembers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
import pytest

from concierge_proto import bus, errors, messages, settings
from concierge_proto.bus import found
from concierge_scheduler.finder import Finder
from concierge_scheduler.keeper import Keeper
from concierge_scheduler.presence import Presence
from concierge_scheduler.targets import memory
from tests.integration.scheduler import stage

QUICK = {"cooldown-out": "0s", "cooldown-in": "0s", "settle": "50ms", "converge": "3s", "heard": "false"}
CONFIG = settings.parse(
    {
        "targets": {"shop": {"kind": "compose", "labels": True, "labels_max": 5}},
        "services": {"own": {"target": "shop", "max": 2, "heard": False}},
    },
    "test",
)


def said(**more: str) -> dict[str, str]:
    words = {"enable": "true", "max": "3", **QUICK, **more}
    return {f"concierge.{key}": value for key, value in words.items()}


class Scene(NamedTuple):
    """One keeper that finds, its target, and what it says of `web`."""

    target: memory.Memory
    ear: stage.Ear
    link: bus.Bus

    async def told(self, what: str) -> None:
        await self.ear.until(lambda: what in self.ear.controls)

    async def asked(self, amount: int) -> list[tuple[str, str]]:
        """Return how a step out by a new problem was decided, once it is."""
        one = await stage.send(self.link, stage.command(amount=amount, problem=f"zabbix/{amount}"))
        return list(await self.ear.until(lambda: self.ear.reasons(one)))


@contextlib.asynccontextmanager
async def keeping(
    link: bus.Bus, target: memory.Memory, config: settings.Settings = CONFIG
) -> AsyncIterator[None]:
    heard = Presence()
    keeper = Keeper("shop", config.services, link, heard, finder=Finder("shop", config, link, every=0.05))
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(heard.run(link)),
            group.create_task(keeper.run(target, await target.identity())),
        ]
        async with asyncio.timeout(stage.PATIENCE):
            await keeper.attending.wait()
        yield
        for task in tasks:
            task.cancel()


@pytest.fixture
async def scene(link: bus.Bus) -> AsyncIterator[Scene]:
    target = stage.place(own=1, web=1)
    target.labelled = {"web": said()}
    async with stage.hearing(link) as ear, keeping(link, target):
        await ear.until(lambda: "labels_found" in ear.controls)
        yield Scene(target, ear, link)


async def test_a_step_out_and_its_bound(scene: Scene) -> None:
    await scene.asked(1)
    await scene.ear.until(lambda: scene.ear.outcomes)
    assert scene.target.counts == {"own": 1, "web": 2}
    await scene.asked(4)
    await scene.ear.until(lambda: len(scene.ear.outcomes) == 2)
    assert scene.target.counts["web"] == 3


async def test_a_label_that_changes_moves_the_bound_without_a_restart(scene: Scene) -> None:
    scene.target.labelled["web"] = said(max="5", min="4")
    await scene.told("labels_changed")
    await scene.asked(4)
    await scene.ear.until(lambda: scene.ear.outcomes and scene.target.counts["web"] == 5)


async def test_labels_that_vanish_take_the_service_with_them(scene: Scene) -> None:
    scene.target.labelled = {}
    await scene.told("labels_gone")
    assert await scene.asked(1) == [("refuse", "unknown_service")]
    assert await scene.link.store(found.BUCKET).get("shop") is None
    assert not scene.target.calls


async def test_what_waits_is_refused_when_its_labels_vanish(scene: Scene) -> None:
    scene.target.changing = {"web"}
    one = await stage.send(scene.link, stage.command())
    await scene.ear.until(lambda: scene.ear.reasons(one) == [("wait", "changing")])
    scene.target.labelled = {}
    await scene.ear.until(lambda: scene.ear.reasons(one)[1:] == [("refuse", "unknown_service")])
    await scene.told("labels_gone")
    scene.target.labelled = {"web": said()}
    await scene.ear.until(lambda: scene.ear.controls.count("labels_found") == 2)
    scene.target.changing = set()
    await scene.asked(2)
    await scene.ear.until(lambda: scene.target.counts["web"] == 3)


async def test_a_bad_label_is_an_event_and_the_reason_of_a_refusal(scene: Scene) -> None:
    scene.target.labelled = {"web": said(max="99")}
    await scene.told("labels_refused")
    (bad,) = [one for one in controls(scene.ear) if one.what == "labels_refused"]
    assert bad.detail == (
        "web: concierge.max=99: the file allows 5: lower it, or raise `targets.shop.labels_max`"
    )
    await scene.asked(1)
    assert "its labels are refused: web: concierge.max=99" in scene.ear.decisions[-1].detail


async def test_everybody_reads_what_was_found(scene: Scene) -> None:
    catalogue = found.Catalogue(CONFIG)
    await catalogue.look(scene.link)
    assert {name: one.max for name, one in catalogue.config.services.items()} == {"own": 2, "web": 3}
    scene.target.labelled = {"web": said(), "own": said()}
    await scene.ear.until(lambda: True)
    async with asyncio.timeout(stage.PATIENCE):
        while not (entry := (await found.read(scene.link, CONFIG))["shop"]).refused:
            await asyncio.sleep(0.02)
    assert [one.called for one in entry.refused] == ["own"]
    await catalogue.look(scene.link)
    assert catalogue.config.services["own"].max == 2


async def test_a_target_that_does_not_answer_takes_nothing_away(scene: Scene) -> None:
    scene.target.failing = errors.Temporary("it hangs")
    await stage.send(scene.link, stage.command())
    await asyncio.sleep(0)
    entry = await scene.link.store(found.BUCKET).get("shop")
    scene.target.failing = None
    await scene.ear.until(lambda: scene.ear.outcomes)
    assert entry
    assert "labels_gone" not in scene.ear.controls


class Hanging(memory.Memory):
    """Its labels are asked for, and never come."""

    async def labels(self) -> dict[str, dict[str, str]]:
        await asyncio.Event().wait()
        return {}


async def test_labels_that_never_come_stop_nobody(link: bus.Bus) -> None:
    target = Hanging("shop", {})
    target.counts["own"] = 1
    async with stage.hearing(link, "own") as ear, keeping(link, target):
        await stage.send(link, stage.command(service="own"))
        await ear.until(lambda: ear.outcomes)
    assert target.counts == {"own": 2}


async def test_what_nobody_can_read_is_written_anew(link: bus.Bus) -> None:
    await link.store(found.BUCKET).put("shop", b"garbage")
    target = stage.place(own=1, web=1)
    target.labelled = {"web": said()}
    async with stage.hearing(link) as ear, keeping(link, target):
        await ear.until(lambda: "labels_found" in ear.controls)


async def test_of_two_targets_the_earlier_in_the_file_has_the_name(link: bus.Bus) -> None:
    first = settings.Target(kind="swarm", labels=True)
    config = msgspec.structs.replace(CONFIG, targets={"first": first, **CONFIG.targets})
    held = messages.Labelled(called="web", labels={"concierge.max": "2"})
    value = messages.Found(target="first", services={"web": held}, at=datetime.now(UTC))
    await link.store(found.BUCKET).put("first", msgspec.json.encode(value))
    target = stage.place(own=1)
    target.labelled = {"web": said(), "api": said()}
    async with stage.hearing(link) as ear, keeping(link, target, config):
        await ear.until(lambda: "labels_refused" in ear.controls)
    (bad,) = controls(ear)
    assert bad.detail.endswith("target first, which stands before, has a service of this name")
    merged = await found.merged(link, config)
    assert {name: one.target for name, one in merged.services.items()} == {
        "own": "shop",
        "web": "first",
        "api": "shop",
    }


async def test_the_next_holder_knows_them_before_it_can_ask(link: bus.Bus) -> None:
    target = stage.place(own=1, web=1)
    target.labelled = {"web": said()}
    async with stage.hearing(link) as ear:
        async with keeping(link, target):
            await ear.until(lambda: "labels_found" in ear.controls)
        one = await stage.send(link, stage.command())
        async with keeping(link, target):
            await ear.until(lambda: ear.outcomes)
        assert ear.reasons(one)[0][0] == "act"
        assert ear.controls.count("labels_found") == 1


def controls(ear: stage.Ear) -> list[messages.Control]:
    return [one.read(messages.Control) for one in ear.events if one.subject.endswith(".control")]
