"""Why a service stands still, as the desk tells it from what is stored."""

from typing import Any

import pytest

from concierge_cli import explain, reasons
from concierge_proto import messages
from concierge_scheduler import state
from tests.unit.scheduler.hands import NOW, at, blank, command, policy, taken

HOLD = state.Hold(direction="out", until=at(60), owner="ann", reason="sale")


def known(document: state.State | None = None, *, heard: int = 2, **changes: Any) -> reasons.Known:
    facts: dict[str, Any] = {"service": "web", "policy": policy(), "kind": "compose", "holder": True}
    names = tuple(f"web-{n}" for n in range(1, heard + 1))
    return reasons.Known(**{**facts, **changes}, heard=names, document=document)


def shut(decision: messages.Decision) -> list[str]:
    return [gate.name for gate in decision.gates if gate.shut]


class TestNothingWaits:
    def test_both_next_steps_are_judged(self) -> None:
        page = reasons.page(known(blank(count=2)), NOW)
        assert [(one.verdict, one.wanted) for one in page.next] == [("act", 3), ("act", 1)]

    @pytest.mark.parametrize(
        ("document", "heard", "reason"),
        [
            (blank(count=2, hold=HOLD), 2, ("held", "ok")),
            (blank(count=2, out_at=at(-5)), 2, ("cooldown", "ok")),
            (blank(count=5), 5, ("at_max", "ok")),
            (blank(count=2), 1, ("ok", "stale")),
            (blank(count=1), 1, ("ok", "at_min")),
            (None, 0, ("away", "away")),
        ],
    )
    def test_the_gate_that_would_stop_it(
        self, document: state.State | None, heard: int, reason: tuple[str, str]
    ) -> None:
        page = reasons.page(known(document, heard=heard), NOW)
        assert tuple(one.reason for one in page.next) == reason

    def test_gates_behind_the_first_shut_one_are_told_too(self) -> None:
        page = reasons.page(known(blank(count=2, hold=HOLD, out_at=at(-5))), NOW)
        assert shut(page.next[0]) == ["held", "cooldown"]
        details = {gate.name: gate.detail for gate in page.next[0].gates}
        assert details["cooldown"] == "25 of 30 s left after the last change out"


class TestSomethingWaits:
    def test_the_leading_one_comes_first(self) -> None:
        page = reasons.page(
            known(taken(command(), command("scale_out", 2), start=blank(count=2, hold=HOLD))), NOW
        )
        assert [one.command_id for one in page.waiting] == ["scale_out-2", "scale_out-1"]
        assert page.waiting[0].until == at(60)
        assert page.next == ()

    def test_an_errand_is_judged_by_its_own_gates(self) -> None:
        page = reasons.page(
            known(taken(command("restart", 0), start=blank(count=2, acted={"restart": NOW}))), NOW
        )
        assert [(one.command_id, one.reason) for one in page.waiting] == [("restart-0", "cooldown")]


class TestFacts:
    def test_no_holder_has_its_remedy(self) -> None:
        (first, *_) = reasons.facts(known(holder=False), NOW)
        assert "no scheduler holds it" in first
        assert "concierge scheduler" in first

    def test_a_dry_run_is_told(self) -> None:
        told = [reasons.facts(known(policy=policy(dry_run=dry)), NOW) for dry in (True, False)]
        assert [any("dry run" in fact for fact in facts) for facts in told] == [True, False]

    def test_hold_and_open_problems(self) -> None:
        told = "\n".join(reasons.facts(known(taken(command(), start=blank(count=2, hold=HOLD))), NOW))
        assert "hold: out held by ann until 03:01:00 UTC: sale" in told
        assert "problem zabbix/1 is open" in told

    def test_triggers_that_became_nothing(self) -> None:
        old = trigger(verdict="too_old", detail="began 1 h ago")
        assert "no command, too_old (began 1 h ago)" in reasons.facts(known(blank(), ignored=(old,)), NOW)[-1]


def trigger(**changes: Any) -> messages.Trigger:
    facts: dict[str, Any] = {
        "id": "0123abcd",
        "source": "zabbix",
        "event_id": "4711",
        "status": "problem",
        "received_at": NOW,
        "correlation_id": "i",
    }
    return messages.Trigger(**{**facts, **changes})


@pytest.mark.parametrize(
    ("what", "meant"),
    [
        ("zabbix/4711", True),
        ("4711", True),
        ("0123", True),
        ("zabbix/471", False),
        ("47", False),
        ("x", False),
    ],
)
def test_a_webhook_has_three_names(what: str, meant: bool) -> None:
    assert explain.named(trigger(), what) is meant
