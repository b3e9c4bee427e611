"""Restart, signal and resize before their gates, and in the document."""

from typing import Any

import pytest

from concierge_proto import messages, settings
from concierge_scheduler import deeds, errands, state, turn
from tests.unit.scheduler.hands import NOW, at, blank, command, outcome, policy, said, taken, view

MB = 1024 * 1024
ROOM = settings.Room(max_cpus=2.0, max_memory=settings.Size(512 * MB))
HOLD = state.Hold(direction="both", until=at(60), owner="ann", reason="sale")
RUNNING = state.Change(
    id="c", correlation_id="i", before=2, wanted=3, lease=1, started_at=NOW, expires_at=at(300)
)


def errand(verb: messages.Verb = "restart", **changes: Any) -> messages.Command:
    return command(verb, 0, **changes)


def asked(**arguments: str) -> dict[str, Any]:
    return {"verb": "resize", "arguments": arguments}


def judge(
    one: messages.Command,
    now: float = 0,
    *,
    rules: dict[str, Any] | None = None,
    seen: Any = None,
    **start: Any,
) -> messages.Decision:
    found = taken(one, start=blank(count=2, **start))
    return errands.judge(policy(**(rules or {})), found, seen or view(2), at(now), one)


@pytest.mark.parametrize(
    ("decision", "verdict", "reason"),
    [
        (judge(errand()), "act", "ok"),
        (judge(errand(arguments={"instance": "web-2"})), "act", "ok"),
        (judge(errand(arguments={"instance": "web-9"})), "refuse", "unknown_instance"),
        (judge(errand(), seen=view(0)), "nothing", "no_instance"),
        (judge(errand(), now=300), "refuse", "expired"),
        (judge(errand(), hold=HOLD), "wait", "held"),
        (judge(errand(), drift=HOLD), "wait", "held"),
        (judge(errand(manual=True, problem=""), hold=HOLD), "act", "ok"),
        (judge(errand(), hold=state.Hold(direction="in", until=at(60))), "act", "ok"),
        (judge(errand(), running=RUNNING), "wait", "changing"),
        (judge(errand(), seen=view(2, changing=True)), "wait", "changing"),
        (judge(errand(), acted={"restart": NOW}, now=299), "wait", "cooldown"),
        (judge(errand(), acted={"restart": NOW}, now=30, rules={"cooldown_act": 30.0}), "act", "ok"),
        (judge(errand(), acted={"restart  web-1": NOW}), "act", "ok"),
        (judge(errand(manual=True, problem=""), acted={"restart": NOW}), "act", "ok"),
        (judge(errand("signal", arguments={"signal": "SIGHUP"})), "act", "ok"),
        (judge(errand("resize", arguments={"cpus": "1"})), "refuse", "no_bounds"),
        (judge(errand("resize", arguments={"cpus": "1"}), rules={"resize": ROOM}), "act", "ok"),
        (judge(errand("resize", arguments={"cpus": "9"}), rules={"resize": ROOM}), "act", "at_max"),
        (judge(errand("resize", arguments={"memory": "1"}), rules={"resize": ROOM}), "act", "at_min"),
        (
            judge(errand("resize", arguments={"cpus": "1"}), rules={"resize": settings.Room()}),
            "refuse",
            "no_bounds",
        ),
    ],
)
def test_gates(decision: messages.Decision, verdict: str, reason: str) -> None:
    assert (decision.verdict, decision.reason) == (verdict, reason)


def test_it_is_said_in_words() -> None:
    room = {"resize": ROOM}
    assert judge(errand(arguments={"instance": "web-1"})).detail == "restart web-1"
    assert judge(errand("signal", arguments={"signal": "hup"})).detail == "signal every instance HUP"
    huge = errand("resize", arguments={"cpus": "9", "memory": str(128 * MB)})
    assert judge(huge, rules=room).detail == "resize every instance to 2 CPUs, 128 MB"
    assert judge(errand(arguments={"instance": "x"})).detail == "x does not run: there is web-1, web-2"


@pytest.mark.parametrize(
    ("verb", "arguments", "complaint"),
    [
        ("signal", {}, "there is HUP"),
        ("signal", {"signal": "STOP"}, "there is HUP"),
        ("resize", {}, "give `cpus`"),
        ("resize", {"cpus": "nan"}, "give `cpus`"),
        ("resize", {"cpus": "-1"}, "give `cpus`"),
        ("resize", {"memory": "much"}, "give `cpus`"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_does(
    verb: messages.Verb, arguments: dict[str, str], complaint: str
) -> None:
    found = turn.take(policy(), blank(), errand(verb, arguments=arguments), NOW)
    (decision,) = [state.read(letter) for letter in found.unsaid]
    assert isinstance(decision, messages.Decision)
    assert (decision.verdict, decision.reason) == ("refuse", "malformed")
    assert complaint in decision.detail


class TestTurn:
    def test_a_number_goes_first_and_the_errand_says_that_it_waits(self) -> None:
        found = turn.step(policy(), taken(errand(), command()), view(2), NOW)
        assert found.running
        assert (found.running.verb, found.running.wanted) == ("", 3)
        assert said(found) == [("scale_out-1", "act", "ok"), ("restart-0", "wait", "changing")]

    def test_it_is_served_while_a_number_waits(self) -> None:
        found = turn.step(
            policy(), taken(errand(), command(), start=blank(count=2, out_at=NOW)), view(2), NOW
        )
        assert found.running
        assert found.running.verb == "restart"
        assert [wish.command.verb for wish in found.wishes] == ["scale_out"]

    def test_an_operator_s_passes_one_that_waits(self) -> None:
        mine = errand(id="mine", manual=True, problem="")
        found = turn.step(policy(), taken(errand(), mine, start=blank(count=2, hold=HOLD)), view(2), NOW)
        assert found.running
        assert found.running.command_id == "mine"

    def test_the_size_is_carried_out_within_its_bounds(self) -> None:
        big = errand("resize", arguments={"cpus": "9", "memory": str(128 * MB)})
        found = turn.step(policy(resize=ROOM), taken(big), view(2), NOW)
        assert found.running
        assert found.running.arguments == {"cpus": "2", "memory": str(128 * MB)}

    def test_it_dies_with_its_problem_and_with_its_time(self) -> None:
        waiting = taken(errand(), start=blank(count=2, hold=HOLD))
        released = turn.take(policy(), waiting, command("release", 0), NOW)
        assert released.errands == ()
        assert ("restart-0", "refuse", "resolved") in said(released)
        assert said(turn.step(policy(), waiting, view(2), at(300))) == [("restart-0", "refuse", "expired")]

    def test_a_release_before_it_came_stops_it(self) -> None:
        closed = taken(command("release", 0))
        assert said(turn.take(policy(), closed, errand(), NOW)) == [("restart-0", "refuse", "resolved")]

    def test_who_waits_knows_when_to_look_again(self) -> None:
        found = taken(errand(), start=blank(count=2, acted={"restart": NOW}))
        assert turn.wake(turn.step(policy(cooldown_act=20.0), found, view(2), NOW)) == at(20)

    def test_a_queue_has_an_end(self) -> None:
        found = taken(*(errand(id=f"{n}") for n in range(18)), start=blank(count=2, hold=HOLD))
        assert len(found.errands) == 16


class TestFinish:
    def started(self, one: messages.Command) -> state.State:
        return turn.step(policy(resize=ROOM), taken(one), view(2), NOW)

    def test_its_cooldown_begins_and_the_others_do_not(self) -> None:
        found = self.started(errand(arguments={"instance": "web-1"}))
        found = turn.finish(found, outcome(found, 2, now=at(9)), 2)
        assert (found.running, found.acted) == (None, {"restart  web-1": at(9)})
        assert (found.out_at, found.in_at) == (None, None)

    def test_what_failed_is_not_charged(self) -> None:
        found = self.started(errand())
        assert turn.finish(found, outcome(found, 2, "failed"), 2).acted == {}

    def test_a_clock_set_back_does_not_stretch_it(self) -> None:
        assert turn.mend(blank(acted={"restart": at(99)}), NOW).acted == {"restart": NOW}


class TestSize:
    size = state.Size(cpus=1.5, memory=128 * MB)
    rules = policy(resize=ROOM)

    def test_is_kept_with_those_that_have_it(self) -> None:
        found = turn.step(self.rules, taken(errand("resize", arguments={"cpus": "1.5"})), view(2), NOW)
        found = turn.finish(found, outcome(found, 2), 2, ("id1", "id2"))
        assert (found.size, found.sized) == (state.Size(cpus=1.5), ("id1", "id2"))

    def test_is_given_to_an_instance_that_was_made_anew(self) -> None:
        found = turn.step(self.rules, blank(count=2, size=self.size, sized=("id1",)), view(2), NOW)
        assert found.running
        assert found.running.arguments == {"cpus": "1.5", "memory": str(128 * MB)}
        (decision,) = [state.read(letter) for letter in found.unsaid]
        assert isinstance(decision, messages.Decision)
        assert decision.reason == "new_instance"
        assert decision.detail == "web-2: 1.5 CPUs, 128 MB as the others"

    @pytest.mark.parametrize(
        "changes",
        [
            {"sized": ("id1", "id2")},
            {"sized": ("*",)},
            {"sized": (), "resized_at": NOW},
            {"sized": (), "running": RUNNING},
            {"sized": (), "size": None},
        ],
    )
    def test_is_not_given_twice_or_in_between(self, changes: dict[str, Any]) -> None:
        found = blank(count=2, **{"size": self.size, **changes})
        assert turn.step(self.rules, found, view(2), NOW).running == found.running

    def test_the_same_again_does_nothing(self) -> None:
        one = errand("resize", arguments={"cpus": "1.5", "memory": str(128 * MB)})
        start = blank(count=2, size=self.size, sized=("id1", "id2"))
        decision = errands.judge(self.rules, taken(one, start=start), view(2), NOW, one)
        assert (decision.verdict, decision.reason) == ("nothing", "no_change")


def test_the_instance_is_found_by_each_of_its_names() -> None:
    observed = view(2).observed
    assert observed
    for name in ("web-2", "id2"):
        assert [one.id for one in deeds.chosen(observed, {"instance": name})] == ["id2"]
    assert len(deeds.chosen(observed, {})) == 2


def test_bounds_leave_alone_what_has_no_max() -> None:
    room = settings.Room(max_cpus=2.0)
    assert errands.allowed(room, state.Size(cpus=1.0, memory=1)) == state.Size(cpus=1.0, memory=0)
