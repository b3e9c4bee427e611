"""The keeper on a real bus: one command, one step, one chain of events, whatever happens in between."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest

from concierge_proto import bus, errors, messages, settings, subjects
from concierge_scheduler import ledger, state
from concierge_scheduler.presence import Presence
from concierge_scheduler.targets import memory
from tests.integration.scheduler import stage


async def test_a_command_becomes_a_decision_a_call_and_an_outcome(link: bus.Bus) -> None:
    target = stage.place(web=1)
    async with stage.hearing(link) as ear, stage.keeping(link, target, {"web": stage.policy()}):
        sent = await stage.send(link, stage.command())
        await ear.until(lambda: ear.outcomes)
    decision, outcome = ear.decisions[0], ear.outcomes[0]
    assert (decision.verdict, decision.reason, decision.before, decision.wanted) == ("act", "ok", 1, 2)
    assert decision.command == sent
    assert (outcome.result, outcome.before, outcome.wanted, outcome.after) == ("converged", 1, 2, 2)
    assert (outcome.added, outcome.removed) == (("web-2",), ())
    assert outcome.lease > 0
    assert target.calls == [memory.Call("web", 2, decision.id)]
    assert [one.envelope.correlation_id for one in ear.events] == ["incident", "incident"]
    assert [one.envelope.causation_id for one in ear.events] == [sent.id, decision.id]
    assert await stage.left(link) == 0


async def test_the_same_command_three_times_is_one_step(link: bus.Bus) -> None:
    target = stage.place(web=1)
    async with stage.hearing(link) as ear, stage.keeping(link, target, {"web": stage.policy()}):
        sent = await stage.send(link, stage.command())
        await ear.until(lambda: ear.outcomes)
        await stage.send(link, sent, again=True)
        await stage.send(link, sent, again=True)
        await ear.until(lambda: len(ear.decisions) > 1)
    assert ear.reasons(sent) == [("act", "ok"), ("nothing", "already_applied")]
    assert [call.wanted for call in target.calls] == [2]


async def test_a_command_that_came_before_the_keeper_is_served(link: bus.Bus) -> None:
    target = stage.place(web=1)
    await stage.send(link, stage.command("scale_to", 3))
    async with stage.hearing(link) as ear, stage.keeping(link, target, {"web": stage.policy()}):
        await ear.until(lambda: ear.outcomes)
    assert target.counts == {"web": 3}


async def test_what_others_did_while_the_command_was_being_stored_is_seen(
    link: bus.Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = stage.place(web=1)
    store = ledger.Ledger._write

    async def slow(self: ledger.Ledger, wanted: state.State) -> int:
        if wanted.wishes:
            await asyncio.sleep(0.1)  # the reading, begun with the command, is over
            target.counts["web"] = 3
        return await store(self, wanted)

    async with stage.hearing(link) as ear, stage.keeping(link, target, {"web": stage.policy()}):
        await stage.send(link, stage.command("scale_to", 1))
        await ear.until(lambda: ear.decisions)
        monkeypatch.setattr(ledger.Ledger, "_write", slow)
        await stage.send(link, stage.command("scale_to", 4, manual=True))
        await ear.until(lambda: ear.outcomes)
    assert [(one.before, one.wanted) for one in ear.acts] == [(3, 4)]


async def test_beyond_max_is_clamped_and_said(link: bus.Bus) -> None:
    target = stage.place(web=1)
    async with stage.hearing(link) as ear, stage.keeping(link, target, {"web": stage.policy()}):
        first = await stage.send(link, stage.command("scale_to", 99))
        await ear.until(lambda: ear.outcomes)
        second = await stage.send(link, stage.command())
        await ear.until(lambda: ear.reasons(second))
    assert ear.reasons(first) == [("act", "at_max")]
    assert "max is 5" in ear.decisions[0].detail
    assert ear.reasons(second) == [("nothing", "at_max")]
    assert [call.wanted for call in target.calls] == [5]


async def test_waits_for_the_cooldown_and_then_acts(link: bus.Bus) -> None:
    target = stage.place(web=1)
    rules = {"web": stage.policy(cooldown_out=1.0)}
    async with stage.hearing(link) as ear, stage.keeping(link, target, rules):
        await stage.send(link, stage.command())
        await ear.until(lambda: ear.outcomes)
        second = await stage.send(link, stage.command(problem="zabbix/2"))
        await ear.until(lambda: len(ear.outcomes) == 2)
    assert ear.reasons(second) == [("wait", "cooldown"), ("act", "ok")]
    first, last = ear.outcomes
    assert last.started_at - first.at >= timedelta(seconds=1)
    assert [call.wanted for call in target.calls] == [2, 3]


async def test_what_waits_is_dropped_when_its_problem_closes(link: bus.Bus) -> None:
    target = stage.place(web=1)
    rules = {"web": stage.policy(cooldown_out=60.0)}
    async with stage.hearing(link) as ear, stage.keeping(link, target, rules):
        await stage.send(link, stage.command())
        await ear.until(lambda: ear.outcomes)
        waiting = await stage.send(link, stage.command(problem="zabbix/2"))
        await ear.until(lambda: ear.reasons(waiting))
        await stage.send(link, stage.command("release", 0, problem="zabbix/2"))
        await ear.until(lambda: len(ear.reasons(waiting)) == 2)
    assert ear.reasons(waiting) == [("wait", "cooldown"), ("refuse", "resolved")]
    assert [call.wanted for call in target.calls] == [2]


async def test_what_waits_too_long_expires(link: bus.Bus) -> None:
    target = stage.place(web=1)
    soon = datetime.now(UTC) + timedelta(seconds=1.5)
    rules = {"web": stage.policy(cooldown_out=60.0)}
    async with stage.hearing(link) as ear, stage.keeping(link, target, rules):
        late = await stage.send(link, stage.command(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
        await ear.until(lambda: ear.reasons(late))
        await stage.send(link, stage.command())
        await ear.until(lambda: ear.outcomes)
        waiting = await stage.send(link, stage.command(problem="zabbix/2", expires_at=soon))
        await ear.until(lambda: ("refuse", "expired") in ear.reasons(waiting))
    assert ear.reasons(late) == [("refuse", "expired")]
    assert [call.wanted for call in target.calls] == [2]


async def test_a_command_during_a_change_is_told_to_wait_and_served_after_it(link: bus.Bus) -> None:
    target = stage.place(web=1)
    target.delay = 0.5
    async with stage.hearing(link) as ear, stage.keeping(link, target, {"web": stage.policy()}):
        await stage.send(link, stage.command())
        await ear.until(lambda: ear.decisions)
        second = await stage.send(link, stage.command(problem="zabbix/2"))
        await ear.until(lambda: len(ear.outcomes) == 2)
    assert ear.reasons(second) == [("wait", "changing"), ("act", "ok")]
    assert [call.wanted for call in target.calls] == [2, 3]


async def test_services_do_not_wait_for_each_other(link: bus.Bus) -> None:
    target = stage.place(web=1, api=1)
    target.delay = 1.0
    rules = {"web": stage.policy(), "api": stage.policy()}
    async with stage.hearing(link, "*") as ear, stage.keeping(link, target, rules):
        await stage.send(link, stage.command())
        await stage.send(link, stage.command(service="api"))
        await ear.until(lambda: len(ear.outcomes) == 2)
    first, second = ear.outcomes
    assert abs(first.started_at - second.started_at) < timedelta(seconds=0.5)


async def test_an_unknown_service_is_answered(link: bus.Bus) -> None:
    target = stage.place(web=1)
    async with stage.hearing(link, "ghost") as ear, stage.keeping(link, target, {"web": stage.policy()}):
        sent = await stage.send(link, stage.command(service="ghost"))
        await ear.until(lambda: ear.decisions)
    assert ear.reasons(sent) == [("refuse", "unknown_service")]


async def test_garbage_is_buried_and_the_next_command_served(link: bus.Bus) -> None:
    target = stage.place(web=1)
    good = link.pack(subjects.command("shop", "web"), stage.command())
    await link.publish(
        bus.Message(subject=good.subject, headers={**good.headers, "Nats-Msg-Id": "x"}, body=b"{")
    )
    stray = stage.command(service="api")
    await link.publish(link.pack(subjects.command("shop", "web"), stray))
    await link.publish(good)
    async with stage.hearing(link) as ear, stage.keeping(link, target, {"web": stage.policy()}):
        await ear.until(lambda: ear.outcomes)
    letters = [one for one in ear.events if one.subject.endswith("deadletter")]
    assert len(letters) == 2
    assert "came on concierge.v1.command.shop.web" in letters[1].read(messages.DeadLetter).reason


class TestTrouble:
    async def test_a_target_that_comes_back_is_tried_again(self, link: bus.Bus) -> None:
        target = stage.place(web=1)
        async with stage.hearing(link) as ear, stage.keeping(link, target, {"web": stage.policy()}):
            target.failing = errors.Temporary("engine away", 0.1)
            sent = await stage.send(link, stage.command())
            await ear.until(lambda: ear.reasons(sent))
            target.failing = None
            await ear.until(lambda: ear.outcomes)
        assert ear.reasons(sent) == [("wait", "away"), ("act", "ok")]
        assert ear.outcomes[0].result == "converged"

    async def test_a_call_that_fails_is_repeated_within_the_command_s_life(self, link: bus.Bus) -> None:
        target = Flaky(fails=2)
        async with stage.hearing(link) as ear, stage.keeping(link, target, {"web": stage.policy()}):
            await stage.send(link, stage.command())
            await ear.until(lambda: ear.outcomes)
        assert ear.outcomes[0].result == "converged"
        assert [call.wanted for call in target.calls] == [2, 2, 2]

    async def test_and_then_it_has_failed_and_no_cooldown_is_charged(self, link: bus.Bus) -> None:
        target = Flaky(fails=99)
        soon = datetime.now(UTC) + timedelta(seconds=1)
        rules = {"web": stage.policy(cooldown_out=60.0)}
        async with stage.hearing(link) as ear, stage.keeping(link, target, rules):
            await stage.send(link, stage.command(expires_at=soon))
            await ear.until(lambda: ear.outcomes)
            assert (ear.outcomes[0].result, ear.outcomes[0].detail) == ("failed", "not now")
            target.fails = 0
            await stage.send(link, stage.command(problem="zabbix/2"))
            await ear.until(lambda: len(ear.outcomes) == 2)
        assert ear.outcomes[1].result == "converged"

    async def test_the_read_judges_not_the_exit_code(self, link: bus.Bus) -> None:
        target = Flaky(fails=1, acts=True)
        async with stage.hearing(link) as ear, stage.keeping(link, target, {"web": stage.policy()}):
            await stage.send(link, stage.command())
            await ear.until(lambda: ear.outcomes)
        assert ear.outcomes[0].result == "converged"
        assert len(target.calls) == 1

    async def test_what_never_gets_well_times_out(self, link: bus.Bus) -> None:
        target = stage.place(web=1)
        target.stuck["web"] = 1
        rules = {"web": stage.policy(converge=0.5)}
        async with stage.hearing(link) as ear, stage.keeping(link, target, rules):
            await stage.send(link, stage.command("scale_out", 2))
            await ear.until(lambda: ear.outcomes)
        assert (ear.outcomes[0].result, ear.outcomes[0].after) == ("partial", 2)
        assert ear.outcomes[0].detail == "2 of 3 run well; web-3: starting"


class Flaky(memory.Memory):
    """Its first calls fail, with or without an effect."""

    def __init__(self, fails: int, *, acts: bool = False) -> None:
        super().__init__("shop", {"web": stage.policy()})
        self.counts["web"] = 1
        self.fails = fails
        self.acts = acts

    async def scale(self, service: str, count: int, intent: str) -> None:
        self.fails -= 1
        if self.fails < 0 or self.acts:
            await super().scale(service, count, intent)
        else:
            self.calls.append(memory.Call(service, count, intent))
        if self.fails >= 0:
            raise errors.Temporary("not now", 0.1)


class TestPresence:
    rules: ClassVar[dict[str, settings.Service]] = {"web": stage.policy(heard=True)}

    async def test_nothing_is_taken_away_until_all_are_heard(self, link: bus.Bus) -> None:
        target = stage.place(web=2)
        async with stage.hearing(link) as ear, stage.keeping(link, target, self.rules):
            sent = await stage.send(link, stage.command("scale_in"))
            await ear.until(lambda: ear.reasons(sent))
            await stage.beat(link, "web-1", "web-2")
            await ear.until(lambda: ear.outcomes)
        assert ear.reasons(sent) == [("wait", "stale"), ("act", "ok")]
        assert ear.outcomes[0].result == "converged"

    async def test_heartbeats_from_before_the_start_count(self, link: bus.Bus) -> None:
        target = stage.place(web=2)
        await stage.beat(link, "web-1", "web-2")
        async with stage.hearing(link) as ear, stage.keeping(link, target, self.rules):
            sent = await stage.send(link, stage.command("scale_in"))
            await ear.until(lambda: ear.outcomes)
        assert ear.reasons(sent) == [("act", "ok")]

    async def test_out_converges_when_the_new_one_is_heard(self, link: bus.Bus) -> None:
        target = stage.place(web=1)
        await stage.beat(link, "web-1")
        async with stage.hearing(link) as ear, stage.keeping(link, target, self.rules):
            await stage.send(link, stage.command())
            await ear.until(lambda: ear.decisions)
            await stage.beat(link, "web-2")
            await ear.until(lambda: ear.outcomes)
        assert ear.outcomes[0].result == "converged"

    async def test_and_not_when_it_stays_silent(self, link: bus.Bus) -> None:
        target = stage.place(web=1)
        await stage.beat(link, "web-1")
        rules = {"web": stage.policy(heard=True, converge=0.4)}
        async with stage.hearing(link) as ear, stage.keeping(link, target, rules):
            await stage.send(link, stage.command())
            await ear.until(lambda: ear.outcomes)
        said = "2 of 2 run well, 1 heard, not web-2"
        assert (ear.outcomes[0].result, ear.outcomes[0].detail) == ("timed_out", said)

    async def test_an_instance_that_says_it_stops_is_looked_after_at_once(self, link: bus.Bus) -> None:
        target = stage.place(web=0)
        own = {"web": stage.policy(min=1, process=settings.Process(command=("true",)))}
        presence = Presence()
        async with stage.hearing(link) as ear, stage.keeping(link, target, own, presence=presence):
            await ear.until(lambda: ear.outcomes)
            await stage.beat(link, "web-1")
            target.counts["web"] = 0
            await stage.beat(link, "web-1", state=0)
            await ear.until(lambda: len(ear.outcomes) == 2)
        assert [one.reason for one in ear.decisions] == ["below_min", "below_min"]
        assert ear.controls == ["drift"]


class TestHands:
    async def test_somebody_else_s_change_is_adopted_and_left_alone(self, link: bus.Bus) -> None:
        target = stage.place(web=1)
        rules = {"web": stage.policy(drift_hold=60.0)}
        async with stage.hearing(link) as ear, stage.keeping(link, target, rules, watch=0.1):
            await stage.send(link, stage.command())
            await ear.until(lambda: ear.outcomes)
            target.counts["web"] = 4
            await ear.until(lambda: ear.controls)
            waiting = await stage.send(link, stage.command("scale_in", problem="zabbix/2"))
            await ear.until(lambda: ear.reasons(waiting))
            await stage.send(link, stage.command("scale_to", 2, manual=True, problem=""))
            await ear.until(lambda: len(ear.outcomes) == 2)
        assert ear.controls == ["drift"]
        assert ear.reasons(waiting)[0] == ("wait", "held")
        assert target.counts == {"web": 2}

    async def test_a_hold_stops_and_its_lift_lets_go(self, link: bus.Bus) -> None:
        target = stage.place(web=1)
        until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        async with stage.hearing(link) as ear, stage.keeping(link, target, {"web": stage.policy()}):
            hold = stage.command("hold", 0, problem="", arguments={"direction": "out", "until": until})
            await stage.send(link, hold)
            sent = await stage.send(link, stage.command())
            await ear.until(lambda: ear.reasons(sent))
            await stage.send(link, stage.command("lift", 0, problem=""))
            await ear.until(lambda: ear.outcomes)
        assert ear.reasons(sent) == [("wait", "held"), ("act", "ok")]
        assert ear.controls == ["hold_set", "hold_lifted"]

    async def test_a_dry_run_calls_nobody(self, link: bus.Bus) -> None:
        target = stage.place(web=1)
        rules = {"web": stage.policy(dry_run=True)}
        async with stage.hearing(link) as ear, stage.keeping(link, target, rules):
            sent = await stage.send(link, stage.command())
            await ear.until(lambda: ear.outcomes)
            await stage.send(link, stage.command("restart", 0, problem="", manual=True))
            await ear.until(lambda: len(ear.outcomes) == 2)
        assert ear.reasons(sent) == [("act", "ok")]
        assert [(one.result, one.before, one.after, one.detail) for one in ear.outcomes] == [
            ("dry_run", 1, 1, "would go 1 → 2"),
            ("dry_run", 1, 1, "would restart web-1"),
        ]
        assert (target.calls, target.deeds, target.counts) == ([], [], {"web": 1})

    async def test_a_dry_correction_is_told_once(self, link: bus.Bus) -> None:
        target = stage.place(web=1)
        rules = {"web": stage.policy(min=2, dry_run=True)}
        async with stage.hearing(link) as ear, stage.keeping(link, target, rules, watch=0.05):
            await ear.until(lambda: ear.outcomes)
            sent = await stage.send(link, stage.command("scale_to", 1))
            await ear.until(lambda: ear.reasons(sent))
        assert [(one.result, one.detail) for one in ear.outcomes] == [("dry_run", "would go 1 → 2")]


class TestHolders:
    async def test_a_second_keeper_stands_by_and_takes_over(self, link: bus.Bus, connect) -> None:  # type: ignore[no-untyped-def]
        target = stage.place(web=1)
        rules = {"web": stage.policy()}
        async with connect("second") as other, stage.hearing(link) as ear:
            async with stage.keeping(link, target, rules):
                standby = asyncio.create_task(self.attend(other, target, rules, ear))
                await stage.send(link, stage.command())
                await ear.until(lambda: ear.outcomes)
                assert not standby.done()
            await standby
        assert [call.wanted for call in target.calls] == [2, 3]
        assert [one.result for one in ear.outcomes] == ["converged", "converged"]

    async def attend(
        self, link: bus.Bus, target: memory.Memory, rules: dict[str, settings.Service], ear: stage.Ear
    ) -> None:
        async with stage.keeping(link, target, rules):
            await stage.send(link, stage.command(problem="zabbix/2"))
            await ear.until(lambda: len(ear.outcomes) == 2)

    async def test_a_change_left_half_done_is_finished_first_and_once(self, link: bus.Bus) -> None:
        target = stage.place(web=1)
        target.delay = 30.0
        rules = {"web": stage.policy()}
        async with stage.hearing(link) as ear:
            async with stage.keeping(link, target, rules):
                sent = await stage.send(link, stage.command())
                await ear.until(lambda: ear.decisions)
            target.delay = 0.0
            async with stage.keeping(link, target, rules):
                await ear.until(lambda: ear.outcomes)
        assert ear.reasons(sent) == [("act", "ok")]
        assert [one.wanted for one in ear.outcomes] == [2]
        assert target.counts == {"web": 2}

    async def test_a_change_that_was_done_is_only_reported(self, link: bus.Bus) -> None:
        change = state.Change(
            id="left",
            correlation_id="incident",
            before=1,
            wanted=2,
            lease=1,
            started_at=datetime.now(UTC),
            expires_at=datetime.now(UTC) + timedelta(seconds=60),
        )
        left = state.State(service="web", count=1, running=change)
        await link.store("concierge_services").create("web", state.dump(left))
        target = stage.place(web=2)
        async with stage.hearing(link) as ear, stage.keeping(link, target, {"web": stage.policy()}):
            await ear.until(lambda: ear.outcomes)
        assert target.calls == []
        assert (ear.outcomes[0].result, ear.outcomes[0].after) == ("converged", 2)

    async def test_cooldowns_outlive_a_restart(self, link: bus.Bus) -> None:
        target = stage.place(web=1)
        rules = {"web": stage.policy(cooldown_out=60.0)}
        async with stage.hearing(link) as ear:
            async with stage.keeping(link, target, rules):
                await stage.send(link, stage.command())
                await ear.until(lambda: ear.outcomes)
            async with stage.keeping(link, target, rules):
                sent = await stage.send(link, stage.command(problem="zabbix/2"))
                await ear.until(lambda: ear.reasons(sent))
        assert ear.reasons(sent) == [("wait", "cooldown")]

    async def test_events_that_could_not_be_told_are_told_later(self, link: bus.Bus) -> None:
        letter = state.State(service="web")
        control = messages.Control(service="web", what="hold_set", correlation_id="i", at=datetime.now(UTC))
        await link.store("concierge_services").create("web", state.dump(state.say(letter, control, "key")))
        async with (
            stage.hearing(link) as ear,
            stage.keeping(link, stage.place(web=1), {"web": stage.policy()}),
        ):
            await ear.until(lambda: ear.controls)
        assert ear.controls == ["hold_set"]


async def test_what_can_not_scale_is_said_before_the_first_command(link: bus.Bus) -> None:
    target = stage.place(web=1)
    target.obstacles["web"] = "web has `container_name: one`: take it out"
    async with stage.hearing(link) as ear, stage.keeping(link, target, {"web": stage.policy()}):
        await ear.until(lambda: "cannot_scale" in ear.controls)
    entry = await link.store("concierge_services").get("web")
    assert entry
    assert b"container_name: one" in entry.value
