"""One contract for everything that can run instances: what is read is what runs, and a number is a number."""

import asyncio
import contextlib
import secrets
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from concierge_proto import bus, errors, settings
from concierge_scheduler.targets import port, registry
from tests import containers, peer

SLEEPING = settings.Process(command=(sys.executable, "-c", "import time; time.sleep(1000)"))
KINDS = ["memory", "process", "compose", "swarm"]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def place(
    kind: str, tmp_path: Path
) -> AsyncIterator[tuple[settings.Target, dict[str, settings.Service]]]:
    """Configuration of a target with `web` and `web-admin`, one instance of each where it must exist before us."""
    async with contextlib.AsyncExitStack() as stack:
        names = {"web": "web", "web-admin": "web-admin"}
        if kind == "swarm":
            peer.need("swarm")
            names = {ours: f"ct{secrets.token_hex(3)}-{ours}" for ours in names}
            target = await stack.enter_async_context(containers.swarm(names.values()))
        elif kind == "compose":
            peer.need("docker")
            target = await stack.enter_async_context(
                containers.compose(tmp_path, {key: {} for key in names}, names)
            )
        else:
            target = settings.Target(kind="process", directory=str(tmp_path / "place"))
        process = SLEEPING if kind == "process" else None
        services = {
            ours: settings.Service(target="here", name=theirs, max=9, heard=False, process=process)
            for ours, theirs in names.items()
        }
        yield target, services


@pytest.fixture
async def target(
    kind: str, place: tuple[settings.Target, dict[str, settings.Service]], nats_url: str, link: bus.Bus
) -> AsyncIterator[port.Target]:
    config, services = place
    opening = registry.find(kind)
    async with opening("here", config, services, nats_url) as opened:
        for service in services:
            await opened.scale(service, 1, "begin")
            await containers.until(opened, service, 1)
        yield opened
        if kind == "process":
            await asyncio.gather(*(opened.scale(service, 0, "end") for service in services))


async def test_reading_shows_each_service_by_our_name(target: port.Target) -> None:
    seen = await target.read()
    assert set(seen) == {"web", "web-admin"}
    assert [one.service for one in seen.values()] == list(seen)
    ids = {instance.id for one in seen.values() for instance in one.instances}
    assert len(ids) == 2


async def test_out_and_in(target: port.Target) -> None:
    await target.scale("web", 3, "out")
    out = await containers.until(target, "web", 3)
    assert len({one.id for one in out.instances}) == len({one.name for one in out.instances}) == 3
    await target.scale("web", 1, "in")
    back = await containers.until(target, "web", 1)
    assert {one.id for one in back.instances} < {one.id for one in out.instances}


async def test_an_endpoint_that_keeps_intents_shows_the_last(target: port.Target, kind: str) -> None:
    await target.scale("web", 2, "the-intent")
    seen = await containers.until(target, "web", 2)
    assert seen.intent == ("the-intent" if kind in {"memory", "swarm"} else "")


async def test_a_neighbour_whose_name_begins_alike_is_left_alone(target: port.Target) -> None:
    before = (await target.read())["web-admin"]
    await target.scale("web", 2, "out")
    await containers.until(target, "web", 2)
    after = (await target.read())["web-admin"]
    assert [one.id for one in after.instances] == [one.id for one in before.instances]


async def test_the_same_number_twice_changes_nothing(target: port.Target) -> None:
    await target.scale("web", 2, "first")
    before = await containers.until(target, "web", 2)
    await target.scale("web", 2, "first")
    after = await containers.until(target, "web", 2)
    assert {one.id for one in after.instances} == {one.id for one in before.instances}


async def test_the_same_number_at_the_same_time_is_that_number(target: port.Target) -> None:
    answers = await asyncio.gather(
        *(target.scale("web", 3, "same") for _ in range(2)), return_exceptions=True
    )
    assert all(answer is None or isinstance(answer, errors.Temporary) for answer in answers)
    await containers.until(target, "web", 3)


async def test_different_numbers_at_the_same_time_end_at_one_of_them(target: port.Target) -> None:
    answers = await asyncio.gather(
        target.scale("web", 4, "one"), target.scale("web", 2, "other"), return_exceptions=True
    )
    assert all(answer is None or isinstance(answer, errors.Temporary) for answer in answers)
    await containers.until(target, "web", 2, 4)
    await target.scale("web", 2, "last")
    await containers.until(target, "web", 2)


async def test_to_nothing_and_back(target: port.Target) -> None:
    await target.scale("web", 0, "nothing")
    empty = await containers.until(target, "web", 0)
    assert empty.instances == ()
    await target.scale("web", 1, "back")
    await containers.until(target, "web", 1)


async def test_a_service_that_is_not_there_is_refused_by_name(target: port.Target) -> None:
    with pytest.raises(errors.Permanent, match="stranger"):
        await target.scale("stranger", 2, "none")
    assert set(await target.read()) == {"web", "web-admin"}


def deed(verb: str, seen: port.Observed, **changes: object) -> port.Deed:
    facts = {"verb": verb, "instances": seen.instances, "every": True, "intent": f"{verb}-1"}
    return msgspec.convert({**facts, **changes}, port.Deed)


async def test_a_restart_is_a_new_life_and_the_same_number(target: port.Target, kind: str) -> None:
    await target.scale("web", 2, "two")
    before = await containers.until(target, "web", 2)
    lives = await life(target, kind, before)
    for one in [before.instances] if target.whole else [(each,) for each in before.instances]:
        await target.act("web", deed("restart", before, instances=one))

    async def anew() -> bool:
        seen = (await target.read())["web"]
        return seen.settled == seen.present == 2 and not lives & await life(target, kind, seen)

    if kind != "memory":
        await containers.met(anew)


async def life(target: port.Target, kind: str, seen: port.Observed) -> set[str]:
    """Return what is different after a restart."""
    if kind == "compose":
        ids = [one.id for one in seen.instances]
        return set((await containers.docker("inspect", "--format", "{{.State.StartedAt}}", *ids)).split())
    return {one.id for one in seen.instances}


async def test_a_restart_that_was_done_is_not_done_again(target: port.Target, kind: str) -> None:
    if kind in {"memory", "swarm"}:
        pytest.skip("memory starts nothing; a swarm tells by its intent")
    before = (await target.read())["web"]
    lives = await life(target, kind, before)
    began = datetime.now(UTC) - timedelta(hours=1)
    await target.act("web", deed("restart", before, since=began))
    assert await life(target, kind, (await target.read())["web"]) == lives


async def test_a_signal_ends_what_does_not_catch_it(target: port.Target, kind: str) -> None:
    before = (await target.read())["web"]
    await target.act("web", deed("signal", before, signal="KILL"))

    async def gone() -> bool:
        seen = (await target.read())["web"]
        return not {one.id for one in before.instances} & {one.id for one in seen.instances if one.running}

    if kind != "memory":
        await containers.met(gone)


async def test_a_deed_to_a_service_that_is_not_there_is_refused(target: port.Target) -> None:
    seen = (await target.read())["web"]
    with pytest.raises(errors.Permanent, match="stranger"):
        await target.act("stranger", deed("restart", seen))


async def test_nothing_stands_in_the_way_of_more(target: port.Target) -> None:
    assert [await target.why_not(service, 9) for service in ("web", "web-admin")] == ["", ""]


async def test_a_dry_target_shows_all_and_touches_nothing(target: port.Target, kind: str) -> None:
    told = registry.serving(target, settings.Service(target="here", max=9, dry_run=True))
    before = await told.read()
    lives = await life(target, kind, before["web"])
    assert await told.identity() == await target.identity()
    assert await told.why_not("web", 9) == await target.why_not("web", 9)
    with pytest.raises(port.Told, match=r"^would go 1 → 3$"):
        await told.scale("web", 3, "dry")
    for verb in ("restart", "signal", "resize"):
        with pytest.raises(port.Told, match=f"would .* {before['web'].instances[0].name}"):
            await told.act("web", deed(verb, before["web"], signal="KILL", cpus=0.5))
    with pytest.raises(errors.Permanent, match="stranger"):
        await told.scale("stranger", 3, "dry")
    after = await target.read()
    assert [after["web"].wanted, after["web"].intent] == [1, before["web"].intent]
    assert await life(target, kind, after["web"]) == lives


@pytest.mark.parametrize("kind", KINDS[1:])  # each memory is a place of its own
async def test_one_place_is_one_place_under_two_names(
    kind: str, place: tuple[settings.Target, dict[str, settings.Service]], nats_url: str
) -> None:
    config, _ = place
    opening = registry.find(kind)
    async with (
        opening("here", config, {}, nats_url) as one,
        opening("there", config, {}, nats_url) as other,
    ):
        assert await one.identity() == await other.identity() != ""
