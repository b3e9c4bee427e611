"""The page about scaling is true: its gates are the code's, and its timelines are played through it."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from concierge_proto import messages, settings
from concierge_scheduler import decide, errands, state, turn
from tests.unit.scheduler.hands import at, blank, command, heard, outcome, policy, view

PAGE = (Path(__file__).parents[3] / "docs" / "scaling.md").read_text("utf-8")
LINE = re.compile(r" *(\d+) s  (.{29}) (.*)")
STEP = re.compile(r"(scale_\w+) (\d+) (?:for (problem \d+)|by hand)")
ELSEWHERE = {"target", "name", "process", "rules", "triggers", "aggregates", "items"}
"""Keys that say where and what, not when."""


def stories() -> list[str]:
    return [block for block in re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL) if " s  " in block]


def rules(head: str) -> tuple[settings.Service, int]:
    """Return the policy and the count that a timeline's first line gives."""
    found = {key: int(value) for key, value in re.findall(r"(\w+) = (\d+)(?: s)?(?=,| in)", head)}
    bound = re.search(r"limit_out = (\d+) in (\d+) s", head)
    if bound:
        found.pop("limit_out")
    limit = settings.Limit(instances=int(bound[1]), per=settings.Duration(int(bound[2]))) if bound else None
    running = re.search(r"(\d+) runs", head)
    assert running
    return policy(**found, limit_out=limit), int(running[1])


class Play:
    """One service on the time of a page."""

    def __init__(self, head: str) -> None:
        self.policy, self.count = rules(head)
        self.state = blank(count=self.count)
        self.sent = 0

    def line(self, seconds: int, event: str, said: str) -> None:
        now = at(seconds)
        self.state = heard(self.state)
        if event == "converged":
            assert self.state.running
            self.count = self.state.running.wanted
            self.state = turn.finish(self.state, outcome(self.state, self.count, now=now), self.count)
            self.stamped(said)
            return
        if event:
            self.state = turn.take(self.policy, self.state, self.command(seconds, event), now)
        self.state = turn.step(self.policy, self.state, view(self.count), now)
        self.decided(said)

    def command(self, seconds: int, event: str) -> messages.Command:
        self.sent += 1
        facts: dict[str, Any] = {
            "id": f"{self.sent}",
            "issued_at": at(seconds),
            "expires_at": at(seconds + 300),
        }
        if event.endswith(" closes"):
            return command("release", 0, problem=event.removesuffix(" closes"), **facts)
        step = STEP.fullmatch(event)
        assert step, event
        verb = msgspec.convert(step[1], messages.Verb)
        return command(verb, int(step[2]), problem=step[3] or "", manual=not step[3], **facts)

    def stamped(self, said: str) -> None:
        until = re.search(r"cooldown (out|in) until (\d+) s", said)
        if until is None:
            come = sum(step.after - step.before for step in self.state.steps)
            assert said.startswith(f"{come} of "), said
            return
        stamp = self.state.out_at if until[1] == "out" else self.state.in_at
        length = self.policy.cooldown_out if until[1] == "out" else self.policy.cooldown_in
        assert stamp
        assert (stamp - at(0)).total_seconds() + length == int(until[2])

    def decided(self, said: str) -> None:
        events = [state.read(letter) for letter in self.state.unsaid]
        made = [one for one in events if isinstance(one, messages.Decision)]
        if said.startswith("idle"):
            assert made == []
            return
        wanted = re.match(r"(\w+), (\w+)", said)
        assert wanted, said
        decision = next(one for one in made if (one.verdict, one.reason) == wanted.groups())
        until = re.search(r"until (\d+) s", said)
        assert not until or decision.until == at(int(until[1]))
        numbers = re.search(r"(\d+) -> (\d+)", said)
        assert not numbers or (decision.before, decision.wanted) == tuple(map(int, numbers.groups()))


@pytest.mark.parametrize("story", stories(), ids=range(len(stories())))
def test_a_timeline_is_what_happens(story: str) -> None:
    play = Play(story.partition("\n")[0])
    lines = [found for line in story.splitlines() if (found := LINE.fullmatch(line))]
    assert len(lines) >= 4
    for seconds, event, said in (line.groups() for line in lines):
        play.line(int(seconds), event.strip(), said.strip())


def gates(decision: messages.Decision) -> list[str]:
    return [gate.name for gate in decision.gates]


def test_the_gates_are_the_code_s_in_its_order() -> None:
    one = command()
    told = re.findall(r"^\| `(\w+)` \|", PAGE.partition("## The keys")[0], re.MULTILINE)
    assert told == gates(decide.judge(policy(), blank(count=2), view(2), at(0), one))
    blind = gates(decide.judge(policy(), blank(count=2), None, at(0), one))
    assert "there are only " + ", ".join(f"`{name}`" for name in blind[:-1]) + f" and `{blind[-1]}`" in PAGE


def test_the_gates_of_errands_too() -> None:
    told = PAGE.partition("Their gates:")[2].partition("- **restart**")[0]
    names = [name for name in re.findall(r"`(\w+)`", told) if name not in {"cooldown_act", "no_instance"}]
    assert names == gates(errands.judge(policy(), blank(count=2), view(2), at(0), command("restart", 0)))


def test_every_key_of_the_policy_is_told() -> None:
    told = set(re.findall(r"^\| `(\w+)` \|", PAGE.partition("## The keys")[2], re.MULTILINE))
    assert told == {field.name for field in msgspec.structs.fields(settings.Service)} - ELSEWHERE
