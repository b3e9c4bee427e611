"""Restart, signal and resize through the whole keeper, on the bus and in memory."""

import asyncio

from concierge_proto import bus, errors, messages, settings
from tests.integration.scheduler import stage

ROOM = settings.Room(max_cpus=2.0, max_memory=settings.Size(512 * 1024**2))


def errand(verb: messages.Verb = "restart", **arguments: str) -> messages.Command:
    return stage.command(verb, 0, arguments=arguments)


async def test_a_restart_goes_from_one_to_the_next(link: bus.Bus) -> None:
    target = stage.place(web=3)
    async with stage.hearing(link) as ear, stage.keeping(link, target, {"web": stage.policy()}):
        await stage.send(link, errand())
        (outcome,) = await ear.until(lambda: ear.outcomes)
    assert [[one.name for one in deed.instances] for deed in target.deeds] == [
        ["web-1"],
        ["web-2"],
        ["web-3"],
    ]
    assert (outcome.verb, outcome.result, outcome.detail) == ("restart", "converged", "web-1, web-2, web-3")


async def test_it_stops_at_the_first_that_does_not_come_back(link: bus.Bus) -> None:
    target = stage.place(web=3)
    target.stuck["web"] = 1
    services = {"web": stage.policy(converge=0.3)}
    async with stage.hearing(link) as ear, stage.keeping(link, target, services):
        await stage.send(link, errand())
        (outcome,) = await ear.until(lambda: ear.outcomes)
    assert len(target.deeds) == 1
    assert outcome.result == "timed_out"
    assert "2 of 3 run well; web-3: starting" in outcome.detail


async def test_the_same_command_twice_is_one_signal(link: bus.Bus) -> None:
    target = stage.place(web=2)
    async with stage.hearing(link) as ear, stage.keeping(link, target, {"web": stage.policy()}):
        one = await stage.send(link, errand("signal", signal="HUP", instance="web-2"))
        await stage.send(link, one, again=True)
        await ear.until(lambda: ("nothing", "already_applied") in ear.reasons(one) and ear.outcomes)
    (deed,) = target.deeds
    assert ([one.name for one in deed.instances], deed.signal, deed.every) == (["web-2"], "HUP", False)


async def test_a_number_and_an_errand_never_run_at_once(link: bus.Bus) -> None:
    target = stage.place(web=2)
    target.delay = 0.2
    async with stage.hearing(link) as ear, stage.keeping(link, target, {"web": stage.policy()}):
        restart, _ = await asyncio.gather(stage.send(link, errand()), stage.send(link, stage.command()))
        await ear.until(lambda: len(ear.outcomes) == 2)
    (first, second) = sorted(ear.outcomes, key=lambda one: one.started_at)
    assert first.at <= second.started_at
    assert ear.reasons(restart)[-1] == ("act", "ok")


async def test_a_new_instance_gets_the_size_of_the_others(link: bus.Bus) -> None:
    target = stage.place(web=1)
    services = {"web": stage.policy(resize=ROOM)}
    async with stage.hearing(link) as ear, stage.keeping(link, target, services, watch=0.1):
        await stage.send(link, errand("resize", cpus="1.5"))
        await ear.until(lambda: ear.outcomes)
        await stage.send(link, stage.command())
        await ear.until(lambda: any(one.reason == "new_instance" for one in ear.decisions))
        await ear.until(lambda: len(ear.outcomes) == 3)
    assert [[one.name for one in deed.instances] for deed in target.deeds] == [["web-1"], ["web-1", "web-2"]]
    assert {deed.cpus for deed in target.deeds} == {1.5}


async def test_what_the_endpoint_refuses_has_failed_and_costs_no_cooldown(link: bus.Bus) -> None:
    target = stage.place(web=1)
    services = {"web": stage.policy()}
    async with stage.hearing(link) as ear, stage.keeping(link, target, services):
        act = target.act
        target.act = refuse  # type: ignore[method-assign,assignment]
        await stage.send(link, errand())
        await ear.until(lambda: ear.outcomes)
        target.act = act  # type: ignore[method-assign]
        await stage.send(link, errand())
        await ear.until(lambda: len(ear.outcomes) == 2)
    assert [(one.result, one.detail) for one in ear.outcomes] == [
        ("failed", "a process has no size"),
        ("converged", "web-1"),
    ]


async def refuse(*_: object) -> None:
    raise errors.Permanent("a process has no size")


async def test_a_holder_that_comes_later_finishes_a_restart_and_sends_no_signal_again(link: bus.Bus) -> None:
    target = stage.place(web=2, api=1)
    services = {"web": stage.policy(), "api": stage.policy()}
    target.delay = 3600
    async with stage.hearing(link) as ear, stage.hearing(link, "api") as other:
        async with stage.keeping(link, target, services):
            await stage.send(link, errand())
            await stage.send(link, stage.command("signal", 0, service="api", arguments={"signal": "HUP"}))
            await ear.until(lambda: any(one.verdict == "act" for one in ear.decisions))
            await other.until(lambda: any(one.verdict == "act" for one in other.decisions))
            async with asyncio.timeout(stage.PATIENCE):
                while len(target.deeds) < 2:
                    await asyncio.sleep(0.01)
        target.delay = 0
        async with stage.keeping(link, target, services):
            await ear.until(lambda: ear.outcomes)
            await other.until(lambda: other.outcomes)
    assert ear.outcomes[0].result == "converged"
    assert all(one.since for one in target.deeds[2:]), "told to leave alone what was done"
    assert [one.verb for one in target.deeds[2:]] == ["restart", "restart"]
    assert other.outcomes[0].result == "failed"
    assert "not sent again" in other.outcomes[0].detail
