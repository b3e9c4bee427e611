"""What a trigger means: verdicts, commands, and their ids."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from concierge_gateway import rules
from concierge_proto import identity, messages, settings

NOW = datetime(2026, 11, 22, 10, 40, tzinfo=UTC)
RULES = [
    {"trigger": "High load*", "tags": {"tier": "front*"}, "action": "scale_out 2"},
    {"trigger": "High load*", "severity": 4, "action": "scale_out 1", "repeat_every": "60s"},
    {"trigger": "Idle", "action": "scale_in 1"},
]
CONFIG = settings.parse(
    {
        "targets": {"shop": {"kind": "compose"}},
        "services": {
            "web": {
                "target": "shop",
                "max": 9,
                "rules": RULES,
                "triggers": [
                    {
                        "name": "own",
                        "metric": "heard",
                        "above": 1,
                        "action": "scale_to 3",
                        "repeat_every": "90s",
                    }
                ],
            },
            "api": {"target": "shop", "max": 9},
        },
        "gateway": {
            "command_ttl": "2m",
            "sources": {"am": {"kind": "alertmanager"}, "fenced": {"kind": "generic", "services": ["api"]}},
        },
    },
    "test",
)


def trigger(**fields: Any) -> messages.Trigger:
    found: dict[str, Any] = {
        "id": "t-1",
        "source": "am",
        "event_id": "4711",
        "status": "problem",
        "service": "web",
        "name": "High load on web",
        "severity": 4,
        "started_at": NOW - timedelta(seconds=30),
        "received_at": NOW,
        "correlation_id": "c-1",
    }
    return messages.Trigger(**found | fields)


def judge(past: rules.Past = rules.Past(), **fields: Any) -> rules.Judged:  # noqa: B008 - a value
    return rules.judge(trigger(**fields), CONFIG, past, NOW)


def command(judged: rules.Judged) -> messages.Command:
    assert judged.command is not None
    return judged.command


class TestActions:
    def test_the_action_that_it_carries_wins(self) -> None:
        judged = judge(action="scale_to 5")
        assert (command(judged).verb, command(judged).amount) == ("scale_to", 5)
        assert judged.trigger.verdict == "command"

    def test_the_first_rule_that_matches(self) -> None:
        assert command(judge()).amount == 1
        assert command(judge(tags={"tier": "frontend", "x": "y"})).amount == 2
        assert command(judge(tags={"tier": "back"})).amount == 1

    def test_a_rule_asks_for_severity(self) -> None:
        assert judge(severity=3).trigger.verdict == "no_rule"

    def test_globs_mind_the_case(self) -> None:
        assert judge(name="high load").trigger.verdict == "no_rule"

    def test_the_services_own_trigger_needs_no_rule(self) -> None:
        assert command(judge(name="own")).verb == "scale_to"

    def test_prose_leaves_it_to_the_rules(self) -> None:
        assert command(judge(action="Problem: High load")).amount == 1
        lost = judge(action="Problem: other", name="other")
        assert lost.trigger.detail == "no rule of web matches 'other' ('Problem: other' is no action)"

    def test_a_misspelt_action_is_not_left_to_the_rules(self) -> None:
        judged = judge(action="scale_out one")
        assert judged.command is None
        assert judged.trigger.verdict == "bad_action"
        assert "needs a whole number" in judged.trigger.detail

    def test_so_is_a_rules_own_that_came_by_a_label(self) -> None:
        rule = settings.Rule(action="scale_out many")
        api = msgspec.structs.replace(CONFIG.services["api"], rules=(rule,))
        config = msgspec.structs.replace(CONFIG, services={"api": api})
        judged = rules.judge(trigger(service="api"), config, rules.Past(), NOW)
        assert (judged.command, judged.trigger.verdict) == (None, "bad_action")


class TestCommand:
    def test_it_says_where_it_came_from_and_how_long_it_holds(self) -> None:
        judged = judge()
        found = command(judged)
        assert found.target == "shop"
        assert found.problem == "am/4711"
        assert found.trigger_id == "t-1"
        assert found.correlation_id == "c-1"
        assert found.owner == "am"
        assert found.issued_at == NOW
        assert found.expires_at == NOW + timedelta(minutes=2)
        assert not found.manual
        assert judged.trigger.commands == (found.id,)
        assert judged.service == "web"

    def test_its_id_follows_from_trigger_service_and_action(self) -> None:
        assert command(judge()).id == identity.derive("command", "t-1", "web", "scale_out 1")
        assert command(judge(id="t-2")).id != command(judge()).id

    def test_recovery_and_closing_are_one_release(self) -> None:
        first, second = (
            command(judge(id="r-1", status="resolved")),
            command(judge(id="r-2", status="resolved")),
        )
        assert first.verb == second.verb == "release"
        assert first.id == second.id
        assert first.problem == "am/4711"

    def test_a_release_may_come_later_than_a_step(self) -> None:
        assert command(judge(status="resolved")).expires_at == NOW + timedelta(days=1)


class TestNothing:
    @pytest.mark.parametrize("service", ["", "nope", "Web", "a.b", "*", ">", "_", "x" * 500])
    def test_an_unknown_service_is_nobodys(self, service: str) -> None:
        judged = judge(service=service)
        assert judged.command is None
        assert judged.trigger.verdict == "unknown_service"
        assert judged.service == "_"
        assert len(judged.trigger.detail) < 200

    def test_a_source_speaks_for_its_services_only(self) -> None:
        judged = judge(source="fenced", action="scale_out 1")
        assert (judged.trigger.verdict, judged.command) == ("not_allowed", None)
        assert judged.service == "web"
        assert command(judge(source="fenced", service="api", action="scale_out 1"))
        assert judge(source="fenced", status="resolved").trigger.verdict == "not_allowed"

    @pytest.mark.parametrize("verdict", ["test", "update", "canceled"])
    def test_what_the_reader_recognised_stands(self, verdict: str) -> None:
        judged = judge(verdict=verdict, action="scale_out 1")
        assert judged.command is None
        assert judged.trigger.verdict == verdict
        assert judged.trigger.detail == rules.VERDICTS[verdict]

    def test_what_the_reader_had_to_say_is_kept(self) -> None:
        assert judge(detail="3 alerts were cut off").trigger.detail == (
            "rule 'High load*': scale_out 1; 3 alerts were cut off"
        )
        assert judge(verdict="update", detail="a comment").trigger.detail == "a comment"

    def test_a_problem_that_began_long_ago_is_refused(self) -> None:
        judged = judge(started_at=NOW - timedelta(seconds=601))
        assert (judged.trigger.verdict, judged.command) == ("too_old", None)
        assert "601 s ago" in judged.trigger.detail
        assert judge(started_at=NOW - timedelta(seconds=600)).command

    def test_unless_it_is_a_further_step(self) -> None:
        assert judge(rules.Past(known=True), started_at=NOW - timedelta(days=1)).command

    def test_no_start_is_not_old(self) -> None:
        assert judge(started_at=None).command

    def test_a_step_after_the_end_is_late(self) -> None:
        assert judge(rules.Past(known=True, closed=True)).trigger.verdict == "closed"

    def test_the_end_may_be_told_twice(self) -> None:
        assert command(judge(rules.Past(known=True, closed=True), status="resolved")).verb == "release"

    def test_the_late_webhook_of_a_repaired_problem_is_the_same_step(self) -> None:
        assert judge(rules.Past(known=True, repaired=True)).trigger.verdict == "repaired"


def test_repeat_every_comes_from_what_matches() -> None:
    web = CONFIG.services["web"]
    assert rules.repeat_every(trigger(), web) == 60
    assert rules.repeat_every(trigger(name="own"), web) == 90
    assert rules.repeat_every(trigger(name="Idle"), web) == 0
    assert rules.repeat_every(trigger(name="other"), web) == 0
    assert rules.repeat_every(trigger(), None) == 0


@given(
    source=st.sampled_from(["am", "fenced"]),
    status=st.sampled_from(["problem", "resolved"]),
    service=st.one_of(st.sampled_from(["web", "api", ""]), st.text(max_size=70)),
    name=st.one_of(st.just("High load"), st.text(max_size=70)),
    action=st.one_of(st.just("scale_out 1"), st.just(""), st.text(max_size=30)),
    severity=st.integers(0, 5),
    tags=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
    age=st.integers(-1000, 10_000),
    past=st.builds(rules.Past, st.booleans(), st.booleans(), st.booleans()),
)
def test_every_trigger_gets_a_known_verdict(past: rules.Past, age: int, **fields: Any) -> None:
    judged = judge(past, started_at=NOW - timedelta(seconds=age), **fields)
    assert judged.trigger.verdict in rules.VERDICTS
    assert judged.trigger.detail
    assert (judged.command is not None) == (judged.trigger.verdict in {"command", "release"})
    assert judged.service in {"web", "api", "_"}
    if judged.command:
        assert judged.command.service in CONFIG.services
        assert judge(past, started_at=NOW - timedelta(seconds=age), **fields) == judged
