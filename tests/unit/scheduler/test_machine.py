"""Anything may happen to a service in any order: what must hold all the same, against a plain model."""

from datetime import datetime, timedelta

import msgspec
from hypothesis import settings as tuning
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule

from concierge_proto import messages, settings
from concierge_scheduler import bounds, deeds, errands, fold, state, turn
from tests.unit.scheduler import hands

PROBLEMS = st.sampled_from([f"zabbix/{n}" for n in range(1, 9)])
RARELY = st.sampled_from([False, False, False, True])
SCALES = st.sampled_from(["scale_out", "scale_in", "scale_to"])
ERRANDS = st.sampled_from(["restart", "signal"])
NEVER = timedelta(days=365)
LIMIT, PER = 2, 60
"""Of instances that may come within so many seconds."""


class Scheduler(RuleBasedStateMachine):
    """One service, an endpoint that a number stands for, and a model that knows the live commands."""

    sent = Bundle("sent")

    @initialize(
        dry_run=RARELY,
        least=st.integers(0, 2),
        more=st.integers(1, 6),
        count=st.integers(0, 8),
        own=st.booleans(),
        limited=st.booleans(),
    )
    def begin(self, dry_run: bool, least: int, more: int, count: int, own: bool, limited: bool) -> None:
        self.policy = hands.policy(
            min=least,
            max=max(1, least + more),
            dry_run=dry_run,
            cooldown_out=30,
            cooldown_in=60,
            cooldown_act=45,
            drift_hold=120,
            limit_out=settings.Limit(instances=LIMIT, per=settings.Duration(PER)) if limited else None,
            process={"command": ("true",)} if own else None,
        )
        self.now = hands.NOW
        self.count = count
        self.deaf = self.rollout = self.away = False
        self.state = state.State(service="web")
        self.live: dict[str, messages.Command] = {}
        self.closed: set[str] = set()
        self.taken: set[str] = set()
        self.acted: list[str] = []
        self.errands: dict[str, messages.Command] = {}
        self.done: dict[str, datetime] = {}
        self.came: list[tuple[datetime, int]] = []
        self.turn()

    # what may happen ------------------------------------------------------------------

    @rule(
        target=sent,
        verb=SCALES,
        amount=st.integers(1, 9),
        problem=PROBLEMS,
        manual=st.booleans(),
        life=st.integers(10, 300),
    )
    def command(
        self, verb: messages.Verb, amount: int, problem: str, manual: bool, life: int
    ) -> messages.Command:
        one = hands.command(
            verb,
            amount,
            id=f"{len(self.taken)}",
            problem="" if manual else problem,
            manual=manual,
            issued_at=self.now,
            expires_at=self.now + timedelta(seconds=life),
        )
        self.receive(one)
        return one

    @rule(target=sent, verb=ERRANDS, problem=PROBLEMS, manual=st.booleans(), life=st.integers(10, 300))
    def errand(self, verb: messages.Verb, problem: str, manual: bool, life: int) -> messages.Command:
        one = hands.command(
            verb,
            0,
            id=f"{len(self.taken)}",
            problem="" if manual else problem,
            manual=manual,
            arguments={"signal": "HUP"} if verb == "signal" else {},
            issued_at=self.now,
            expires_at=self.now + timedelta(seconds=life),
        )
        self.receive(one)
        return one

    @rule(one=sent)
    def same_again(self, one: messages.Command) -> None:
        self.receive(one)

    @rule(problem=PROBLEMS)
    def release(self, problem: str) -> None:
        self.closed.add(problem)
        self.live = {key: one for key, one in self.live.items() if one.manual or one.problem != problem}
        self.errands = {key: one for key, one in self.errands.items() if one.manual or one.problem != problem}
        self.receive(hands.command("release", 0, id=f"release {problem} {self.now}", problem=problem))

    @rule(direction=st.sampled_from(["in", "out", "both"]), length=st.integers(1, 90))
    def hold(self, direction: str, length: int) -> None:
        until = (self.now + timedelta(seconds=length)).isoformat()
        arguments = {"direction": direction, "until": until}
        self.receive(
            hands.command(
                "hold", 0, id=f"hold {self.now}", problem="", arguments=arguments, expires_at=self.now + NEVER
            )
        )

    @rule(seconds=st.integers(1, 100))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        self.turn()

    @rule(deaf=RARELY, rollout=RARELY, away=RARELY)
    def weather(self, deaf: bool, rollout: bool, away: bool) -> None:
        self.deaf, self.rollout, self.away = deaf, rollout, away
        self.turn()

    @precondition(lambda self: self.state.running is None)
    @rule(count=st.integers(0, 8), really=RARELY)
    def somebody_scales(self, count: int, really: bool) -> None:
        self.count = count if really else self.count
        self.turn()

    @precondition(lambda self: self.state.running is not None)
    @rule(result=st.sampled_from(["converged", "converged", "failed", "timed_out"]))
    def change_ends(self, result: messages.Result) -> None:
        change = self.state.running
        assert change
        if self.policy.dry_run:
            result = "dry_run"
            stamps = self.state.out_at, self.state.in_at, self.state.acted
        if change.verb and result not in {"failed", "dry_run"}:
            self.done[errands.key(change.verb, change.arguments)] = self.now
        if not change.verb and result == "converged":
            self.came.append((self.now, change.wanted - self.count))
            self.count = change.wanted
        self.state = turn.finish(self.state, hands.outcome(self.state, self.count, result, self.now))
        if self.policy.dry_run:
            assert (self.state.out_at, self.state.in_at, self.state.acted) == stamps, (
                "only what is done is charged"
            )
        self.turn()

    @rule()
    def restart(self) -> None:
        before = self.state
        self.state = state.load(state.dump(before), "web")
        assert self.state == before
        self.state = turn.mend(self.state, self.now)
        assert self.state == msgspec.structs.replace(before, told=None)

    # what is done about it ------------------------------------------------------------

    def receive(self, one: messages.Command) -> None:
        fresh = one.id not in self.taken and self.now < one.expires_at
        if fresh and one.verb in {"scale_out", "scale_in", "scale_to"} and one.problem not in self.closed:
            self.live = {key: old for key, old in self.live.items() if not (one.manual and old.manual)}
            self.live[one.id] = one
        if (
            fresh
            and one.verb in deeds.VERBS
            and one.problem not in self.closed
            and len(self.errands) < fold.WISHES
        ):
            self.errands[one.id] = one
        self.taken.add(one.id)
        self.state = turn.take(self.policy, self.state, one, self.now)
        self.turn()

    def turn(self) -> None:
        self.live = {key: one for key, one in self.live.items() if self.now < one.expires_at}
        self.errands = {key: one for key, one in self.errands.items() if self.now < one.expires_at}
        before = self.state.running
        view = (
            None
            if self.away
            else hands.view(self.count, 0 if self.deaf else self.count, changing=self.rollout)
        )
        self.state = hands.heard(self.state)
        self.state = turn.step(self.policy, self.state, view, self.now)
        assert before is None or self.state.running == before, "a running change is never cut off"
        for decision in [state.read(letter) for letter in self.state.unsaid]:
            if isinstance(decision, messages.Decision) and decision.verdict in {"act", "nothing"}:
                self.acts(decision)

    def acts(self, decision: messages.Decision) -> None:
        if decision.reason in {"already_applied", "released", "hold_set"}:
            return
        if decision.command and decision.command.verb in deeds.VERBS:
            self.began_errand(decision)
            return
        if decision.verdict == "act":
            self.began(decision)
        if decision.command_id:
            self.live.clear()

    def began_errand(self, decision: messages.Decision) -> None:
        one = self.errands.pop(decision.command_id)
        if decision.verdict == "nothing":
            return
        assert one.id not in self.acted, "no errand twice"
        assert one.manual or not self.cooling(one), "an errand has its own pause"
        assert self.state.running
        assert self.state.running.command_id == one.id, "never two at once"
        self.acted.append(one.id)

    def cooling(self, one: messages.Command) -> bool:
        last = self.done.get(errands.key(one.verb, one.arguments))
        return last is not None and self.now < last + timedelta(seconds=self.policy.cooldown_act)

    def room(self) -> int:
        """Return how many may still come, by adding up what has."""
        since = self.now - timedelta(seconds=PER)
        came = sum(delta for at, delta in self.came if delta > 0 and at > since)
        return max(0, LIMIT - came) if self.policy.limit_out else 99

    def began(self, decision: messages.Decision) -> None:
        assert decision.wanted is not None
        assert self.policy.min <= decision.wanted <= self.policy.max
        assert decision.wanted != self.count
        if not decision.command_id:
            return
        assert decision.command_id not in self.acted, "no step twice"
        assert decision.command_id in self.live
        self.acted.append(decision.command_id)
        if not decision.command.manual:  # type: ignore[union-attr]
            assert decision.wanted - self.count <= self.room(), "never more than may come in the time"
        if any(one.verb == "scale_out" for one in self.live.values()) and not decision.command.manual:  # type: ignore[union-attr]
            assert decision.wanted > self.count, "up is never lowered by down"

    # what must hold -------------------------------------------------------------------

    @invariant()
    def the_slot_holds_what_lives(self) -> None:
        if len(self.live) <= fold.WISHES:
            assert {wish.command.id for wish in self.state.wishes} == set(self.live)

    @invariant()
    def what_may_be_served_is_served(self) -> None:
        leader = fold.leading(self.state)
        if leader is None or self.state.running or self.away or self.rollout:
            return
        wanted = fold.result(leader, self.count)
        if leader.manual:
            assert wanted < self.count, "an operator waits for nothing but his own eyes"
            assert self.deaf
            return
        held = [hold for hold in (self.state.hold, self.state.drift) if hold and self.now < hold.until]
        stamp = self.state.out_at if wanted > self.count else self.state.in_at
        length = self.policy.cooldown_out if wanted > self.count else self.policy.cooldown_in
        cooling = stamp is not None and self.now < stamp + timedelta(seconds=length)
        full = wanted > self.count and self.room() == 0
        blind = self.deaf and wanted < self.count and self.count > 0
        assert held or cooling or blind or full, "nothing waits without a gate that is shut"

    @invariant()
    def an_errand_that_may_be_done_is_done(self) -> None:
        assert {wish.command.id for wish in self.state.errands} == set(self.errands)
        if self.state.running or self.away or self.rollout:
            return
        held = bounds.holding(self.state, "act", self.now)
        for one in self.errands.values():
            assert not one.manual, "an operator waits for no gate"
            assert held or self.cooling(one)

    @invariant()
    def who_waits_knows_when_to_look_again(self) -> None:
        if self.state.wishes or self.state.errands:
            due = turn.wake(self.state)
            assert due is not None
            assert self.state.running or due > self.now


TestScheduler = Scheduler.TestCase
TestScheduler.settings = tuning(max_examples=200, stateful_step_count=40, deadline=None)


def test_blindness_is_about_running_instances_only() -> None:
    assert not bounds.blind(hands.policy(), bounds.View(observed=None))
