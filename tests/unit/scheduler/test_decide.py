"""The gates, one table: what stops a command, with which reason, and until when."""

from typing import Any

import pytest

from concierge_proto import messages
from concierge_scheduler import controls, decide, state, turn
from tests.unit.scheduler.hands import NOW, at, blank, command, heard, outcome, policy, said, taken, view

HOLD = state.Hold(direction="both", until=at(60), owner="ann", reason="sale")
RUNNING = state.Change(
    id="c", correlation_id="i", before=2, wanted=3, lease=1, started_at=NOW, expires_at=at(300)
)
MANUAL: dict[str, Any] = {"manual": True, "problem": ""}


def judge(
    one: messages.Command,
    count: int = 2,
    now: float = 0,
    *,
    seen: dict[str, Any] | None = None,
    rules: dict[str, Any] | None = None,
    **start: Any,
) -> messages.Decision:
    found = taken(one, start=blank(count=count, **start))
    return decide.decide(policy(**(rules or {})), found, view(count, **(seen or {})), at(now))


@pytest.mark.parametrize(
    ("decision", "verdict", "reason", "wanted"),
    [
        (judge(command()), "act", "ok", 3),
        (judge(command("scale_out", 2)), "act", "ok", 4),
        (judge(command("scale_in")), "act", "ok", 1),
        (judge(command("scale_to", 5)), "act", "ok", 5),
        # bounds
        (judge(command("scale_out", 9)), "act", "at_max", 5),
        (judge(command("scale_in", 9)), "act", "at_min", 1),
        (judge(command("scale_to", 0, **MANUAL)), "act", "at_min", 1),
        (judge(command(), 5), "nothing", "at_max", None),
        (judge(command("scale_in"), 1), "nothing", "at_min", None),
        (judge(command("scale_in"), 0), "nothing", "no_change", None),
        (judge(command(), 4, rules={"min": 2, "max": 3}), "nothing", "at_max", None),
        # refused for good
        (judge(command(), now=300), "refuse", "expired", None),
        (judge(command(), now=300, hold=HOLD), "refuse", "expired", None),
        # held
        (judge(command(), hold=HOLD), "wait", "held", 3),
        (judge(command(), drift=HOLD), "wait", "held", 3),
        (judge(command("scale_out", **MANUAL), hold=HOLD), "act", "ok", 3),
        (judge(command(), hold=HOLD, now=61), "act", "ok", 3),
        (judge(command(), hold=state.Hold(direction="in", until=at(60))), "act", "ok", 3),
        (judge(command("scale_in"), hold=state.Hold(direction="in", until=at(60))), "wait", "held", 1),
        # changing
        (judge(command(), running=RUNNING), "wait", "changing", 3),
        (judge(command(**MANUAL), running=RUNNING), "wait", "changing", 3),
        (judge(command(), seen={"changing": True}), "wait", "changing", 3),
        # blind
        (judge(command("scale_in"), seen={"heard": 1}), "wait", "stale", 1),
        (judge(command("scale_in", **MANUAL), seen={"heard": 1}), "wait", "stale", 1),
        (judge(command("scale_in"), seen={"heard": 0}, rules={"heard": False}), "act", "ok", 1),
        (judge(command("scale_out"), seen={"heard": 0}), "act", "ok", 3),
        # cooldown
        (judge(command(), out_at=NOW, now=29), "wait", "cooldown", 3),
        (judge(command(), out_at=NOW, now=30), "act", "ok", 3),
        (judge(command(), in_at=NOW, now=1), "act", "ok", 3),
        (judge(command("scale_in"), in_at=NOW, now=299), "wait", "cooldown", 1),
        (judge(command("scale_in"), out_at=NOW, now=1), "act", "ok", 1),
        (judge(command(**MANUAL), out_at=NOW, now=1), "act", "ok", 3),
        # nothing to do
        (judge(command("scale_to", 2)), "nothing", "no_change", None),
        (judge(command("scale_to", 2), out_at=NOW, in_at=NOW), "nothing", "no_change", None),
    ],
)
def test_gates(decision: messages.Decision, verdict: str, reason: str, wanted: int | None) -> None:
    assert (decision.verdict, decision.reason, decision.wanted) == (verdict, reason, wanted)


@pytest.mark.parametrize(
    ("decision", "until"),
    [
        (judge(command(), out_at=NOW, now=5), 30),
        (judge(command(), hold=HOLD), 60),
        (judge(command(), seen={"changing": True}), 2),
    ],
)
def test_when_it_is_looked_at_again(decision: messages.Decision, until: float) -> None:
    assert decision.until == at(until)


def test_numbers_stand_in_the_words() -> None:
    assert judge(command("scale_out", 9)).detail == "asked for 11, 2 now, max is 5"
    assert judge(command(), out_at=NOW, now=5).detail == "25 of 30 s left after the last change out"
    assert judge(command(), hold=HOLD).detail == "both held by ann until 03:01:00 UTC: sale"


def test_a_service_that_is_not_there() -> None:
    decision = decide.decide(policy(), taken(command()), decide.View(observed=None), NOW)
    assert (decision.verdict, decision.reason) == ("refuse", "unknown_service")


def test_an_endpoint_that_is_away_keeps_a_wish_but_not_for_ever() -> None:
    assert decide.decide(policy(), taken(command()), None, NOW).reason == "away"
    assert decide.decide(policy(), taken(command()), None, at(300)).reason == "expired"


def test_nothing_to_do_is_said_so() -> None:
    assert decide.decide(policy(), blank(), view(2), NOW).reason == "idle"


class TestRepair:
    own = policy(min=2, process={"command": ("true",)})

    @pytest.mark.parametrize(
        ("rules", "count", "start", "reason", "wanted"),
        [
            (own, 0, {}, "below_min", 2),
            (own, 1, {}, "below_min", 2),
            (own, 7, {}, "above_max", 5),
            (policy(min=2), 1, {}, "below_min", 2),
            (policy(min=2), 0, {}, "idle", None),
            (own, 1, {"hold": HOLD}, "idle", None),
            (own, 1, {"drift": HOLD}, "idle", None),
            (own, 1, {"repaired_at": at(-29)}, "idle", None),
            (own, 1, {"repaired_at": at(-30)}, "below_min", 2),
            (own, 1, {"out_at": NOW}, "below_min", 2),
            (policy(min=2, dry_run=True), 1, {"told": 1}, "idle", None),
            (policy(min=3, dry_run=True), 2, {"told": 1}, "below_min", 3),
            (policy(min=2), 1, {"told": 1}, "below_min", 2),
        ],
    )
    def test_bounds(
        self, rules: Any, count: int, start: dict[str, Any], reason: str, wanted: int | None
    ) -> None:
        decision = decide.decide(rules, blank(count=count, **start), view(count), NOW)
        assert (decision.reason, decision.wanted) == (reason, wanted)

    def test_goes_before_a_wish_that_waits(self) -> None:
        found = taken(command(), start=blank(count=0, out_at=NOW))
        assert decide.decide(self.own, found, view(0), NOW).reason == "below_min"

    def test_never_takes_away_in_the_dark(self) -> None:
        assert decide.decide(policy(), blank(), view(7, heard=6), NOW).reason == "idle"


class TestTurn:
    def test_writes_the_absolute_number_before_anything_happens(self) -> None:
        found = turn.step(policy(), taken(command("scale_out", 2)), view(2), NOW, lease=7)
        assert found.running
        assert (found.running.before, found.running.wanted, found.running.lease) == (2, 4, 7)
        assert found.running.names == ("web-1", "web-2")
        assert found.wishes == ()
        assert said(found) == [("scale_out-2", "act", "ok")]

    def test_the_leader_acts_for_the_others(self) -> None:
        found = turn.step(policy(), taken(command(), command("scale_in")), view(2), NOW)
        assert said(found) == [("scale_out-1", "act", "ok"), ("scale_in-1", "refuse", "superseded")]

    def test_waiting_is_said_once_for_each_reason(self) -> None:
        found = turn.step(policy(), taken(command(), start=blank(count=2, out_at=NOW)), view(2), NOW)
        assert said(found) == [("scale_out-1", "wait", "cooldown")]
        assert said(turn.step(policy(), heard(found), view(2), at(5))) == []
        held = turn.step(policy(), heard(found), view(2, changing=True), at(6))
        assert said(held) == [("scale_out-1", "wait", "changing")]

    def test_the_others_are_told_that_they_stand_behind(self) -> None:
        found = taken(command(), command(id="two", problem="zabbix/2"), start=blank(count=2, out_at=NOW))
        found = turn.step(policy(), found, view(2), NOW)
        assert sorted(said(found)) == [("scale_out-1", "wait", "cooldown"), ("two", "wait", "merged")]

    def test_wakes_when_the_gate_opens_or_the_wish_dies(self) -> None:
        found = turn.step(policy(), taken(command(), start=blank(count=2, out_at=NOW)), view(2), NOW)
        assert turn.wake(found) == at(30)
        found = turn.step(
            policy(cooldown_out=9999), taken(command(), start=blank(count=2, out_at=NOW)), view(2), NOW
        )
        assert turn.wake(found) == at(300)
        assert turn.wake(blank()) is None

    def test_what_died_waiting_is_told(self) -> None:
        found = turn.step(policy(), taken(command()), view(2), at(300))
        assert said(found) == [("scale_out-1", "refuse", "expired")]
        assert found.running is None

    def test_a_late_command_does_not_push_out_a_live_one(self) -> None:
        found = turn.take(policy(), taken(command()), command("scale_out", 4, expires_at=NOW), NOW)
        assert [wish.command.amount for wish in found.wishes] == [1]


class TestFinish:
    def started(self, one: messages.Command, **start: Any) -> state.State:
        return turn.step(policy(), taken(one, start=blank(count=2, **start)), view(2), NOW)

    def test_cooldown_begins_with_convergence(self) -> None:
        found = turn.finish(self.started(command()), outcome(self.started(command()), 3, now=at(9)))
        assert (found.running, found.count, found.out_at) == (None, 3, at(9))

    def test_out_clears_the_stamp_of_in(self) -> None:
        found = self.started(command(), in_at=at(-1))
        assert turn.finish(found, outcome(found, 3)).in_at is None

    def test_in_keeps_the_stamp_of_out(self) -> None:
        found = self.started(command("scale_in"), out_at=at(-1))
        found = turn.finish(found, outcome(found, 1, now=at(3)))
        assert (found.in_at, found.out_at) == (at(3), at(-1))

    @pytest.mark.parametrize(
        ("result", "after", "charged"),
        [("failed", 2, False), ("failed", 3, True), ("timed_out", 2, True), ("partial", 3, True)],
    )
    def test_what_never_began_is_not_charged(
        self, result: messages.Result, after: int, charged: bool
    ) -> None:
        found = self.started(command())
        assert (turn.finish(found, outcome(found, after, result)).out_at is not None) is charged

    def test_what_was_only_told_is_not_charged(self) -> None:
        found = self.started(command(), out_at=at(-60))
        done = turn.finish(found, outcome(found, 2, "dry_run"), 2)
        assert (done.running, done.out_at, done.count, done.steps) == (None, at(-60), found.count, ())

    def test_a_correction_is_told_once_and_again_after_a_start(self) -> None:
        rules = policy(min=2, dry_run=True)
        found = turn.step(rules, blank(), view(1), NOW)
        told = turn.finish(found, outcome(found, 1, "dry_run"), 1)
        assert turn.step(rules, told, view(1), at(999)).running is None
        assert turn.step(rules, turn.mend(told, at(999)), view(1), at(999)).running

    def test_twice_is_once(self) -> None:
        found = self.started(command())
        once = turn.finish(found, outcome(found, 3))
        assert turn.finish(once, outcome(found, 3)) == once


class TestDrift:
    def test_is_adopted_and_held(self) -> None:
        found = turn.step(policy(), blank(count=2), view(4), NOW)
        assert found.count == 4
        assert found.drift == state.Hold(until=at(900), owner="drift", reason="2 → 4, not by us")
        assert [state.read(letter).what for letter in found.unsaid] == ["drift"]  # type: ignore[union-attr]

    def test_a_step_after_it_waits_and_an_operator_s_does_not(self) -> None:
        found = turn.step(policy(), taken(command()), view(3), NOW)
        assert said(found) == [("scale_out-1", "wait", "held")]
        found = turn.step(policy(), taken(command(**MANUAL)), view(3), NOW)
        assert found.running
        assert (found.running.before, found.running.wanted) == (3, 4)

    def test_the_first_sight_is_none(self) -> None:
        found = turn.step(policy(), blank(), view(4), NOW)
        assert (found.count, found.drift, found.unsaid) == (4, None, ())

    def test_a_first_start_is_none_and_said(self) -> None:
        found = turn.step(policy(), blank(count=0), view(1), NOW)
        assert (found.count, found.drift) == (1, None)
        events = [state.read(letter) for letter in found.unsaid]
        assert [(one.what, one.detail) for one in events if isinstance(one, messages.Control)] == [
            ("started", "0 → 1, not by us")
        ]

    def test_a_step_after_a_first_start_does_not_wait(self) -> None:
        found = turn.step(policy(), taken(command(), start=blank(count=0)), view(1), NOW)
        assert found.running
        assert (found.running.before, found.running.wanted) == (1, 2)

    def test_down_and_up_again_leaves_no_hold(self) -> None:
        found = turn.step(policy(min=3), blank(count=3), view(0), NOW)
        assert found.drift
        for count, seconds in ((1, 1), (3, 2)):  # one after the other
            found = turn.step(policy(min=3), found, view(count), at(seconds))
            assert (found.drift, found.running) == (None, None), (
                "nor is one of them too few, while others follow"
            )
        controls = [state.read(one) for one in found.unsaid]
        assert [one.what for one in controls if isinstance(one, messages.Control)] == [
            *("drift", "started", "started")
        ]
        assert turn.step(policy(min=3), found, view(4), at(32)).drift, "a while later it is somebody's number"

    def test_to_nothing_is_drift_and_held(self) -> None:
        assert turn.step(policy(), blank(count=2), view(0), NOW).drift

    @pytest.mark.parametrize(("before", "count", "died", "what"), [(2, 1, 1, "died"), (3, 1, 1, "drift")])
    def test_an_instance_that_died_was_not_scaled_by_anybody(
        self, before: int, count: int, died: int, what: str
    ) -> None:
        found = turn.step(policy(), taken(command(), start=blank(count=before)), view(count, died=died), NOW)
        events = [state.read(letter) for letter in found.unsaid]
        assert [one.what for one in events if isinstance(one, messages.Control)] == [what]
        assert (found.drift is None, found.running is not None) == (what == "died", what == "died")

    @pytest.mark.parametrize("counts", [(2, 3), (2, 1, 2, 3), (5, 3)])
    def test_the_number_that_was_ours_ends_the_hold_whoever_sets_it_again(
        self, counts: tuple[int, ...]
    ) -> None:
        found = blank(count=3)
        for seconds, count in enumerate(counts):
            assert found.drift or not seconds
            found = turn.step(policy(), found, view(count), at(seconds))
        assert (found.count, found.drift, found.former) == (3, None, None)
        last = state.read(found.unsaid[-1])
        assert isinstance(last, messages.Control)
        assert (last.what, last.detail) == ("returned", f"{counts[-2]} → 3, not by us")

    def test_one_that_died_and_is_started_again_holds_nothing_up(self) -> None:
        found = turn.step(policy(), blank(count=3), view(2, died=1), NOW)
        assert turn.step(policy(), found, view(3), at(60)).drift is None
        assert turn.step(policy(), found, view(4), at(60)).drift, "that is another number"
        assert turn.step(policy(), found, view(3), at(901)).drift, "it is forgotten"

    def test_a_death_gives_no_number_back(self) -> None:
        found = turn.step(policy(), blank(count=2), view(3), NOW)
        assert turn.step(policy(), found, view(2, died=1), at(60)).drift, "three is somebody's number still"

    def test_a_number_of_ours_replaces_the_one_before(self) -> None:
        found = turn.step(policy(), blank(count=3), view(2), NOW)
        found = turn.step(policy(), turn.take(policy(), found, command(**MANUAL), NOW), view(2), at(1))
        found = turn.finish(found, outcome(found, 4))
        assert turn.step(policy(), found, view(3), at(9)).drift

    def test_a_service_that_ended_whole_is_switched_off(self) -> None:
        found = turn.step(policy(), blank(count=2), view(0, died=2), NOW).drift
        assert found
        assert found.reason == "2 → 0, not by us; 2 lie there dead, by an error or a kill"

    def test_our_own_change_is_none(self) -> None:
        assert controls.adopt(policy(), blank(count=2, running=RUNNING), 3, NOW).drift is None

    def test_a_process_that_died_is_replaced_at_once(self) -> None:
        found = turn.step(TestRepair.own, blank(count=2), view(1), NOW)
        assert found.drift is None
        assert found.running
        assert found.running.wanted == 2


def test_a_clock_set_back_does_not_stretch_a_cooldown() -> None:
    found = turn.mend(blank(out_at=at(9999), in_at=at(-5), repaired_at=None), NOW)
    assert (found.out_at, found.in_at) == (NOW, at(-5))


def test_a_service_of_nobody_is_refused() -> None:
    assert turn.unknown(command(), NOW).reason == "unknown_service"


class TestObstacle:
    def test_is_said_once_and_when_it_is_gone(self) -> None:
        found = controls.foresee(blank(), "web has `container_name: one`", NOW)
        assert controls.foresee(found, "web has `container_name: one`", at(600)) == found
        gone = controls.foresee(found, "", at(600))
        events = [state.read(letter) for letter in gone.unsaid]
        assert [one.what for one in events if isinstance(one, messages.Control)] == [
            "cannot_scale",
            "can_scale",
        ]
        assert gone.obstacle == ""
