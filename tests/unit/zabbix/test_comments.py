"""What is written on a problem, and what becomes a value: pure, from reports of the log."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from concierge_backends import port
from concierge_backends.zabbix import comments, outcomes
from concierge_proto import messages, settings

ASKED = datetime(2026, 11, 22, 10, 35, 28, 250_000, UTC)
CONFIG = settings.parse(
    {
        "gateway": {"sources": {"zbx": {"kind": "zabbix"}, "am": {"kind": "alertmanager"}}},
        "targets": {"shop": {"kind": "compose"}},
        "services": {"web": {"target": "shop", "max": 5}},
    },
    "test",
)


def command(**changed: Any) -> messages.Command:
    given: dict[str, Any] = {"verb": "scale_out", "amount": 1, "problem": "zbx/4711", "owner": "zbx"}
    return messages.Command(
        id="c",
        service="web",
        target="shop",
        correlation_id="i",
        issued_at=ASKED,
        expires_at=ASKED + timedelta(minutes=5),
        **{**given, **changed},
    )


def outcome(**changed: Any) -> messages.Outcome:
    given: dict[str, Any] = {"result": "converged", "before": 1, "wanted": 2, "after": 2, "added": ("web-2",)}
    started = ASKED + timedelta(seconds=0.5)
    return messages.Outcome(
        id="0123456789abcdefgh",
        service="web",
        target="shop",
        duration_ms=400,
        command_id="c",
        correlation_id="i",
        started_at=started,
        at=started + timedelta(seconds=1.4),
        **{**given, **changed},
    )


def decision(verdict: messages.Verdict, reason: str, detail: str = "", **changed: Any) -> messages.Decision:
    return messages.Decision(
        id="0123456789abcdefgh",
        service="web",
        target="shop",
        verdict=verdict,
        reason=reason,
        detail=detail,
        correlation_id="i",
        at=ASKED,
        **changed,
    )


def trigger(verdict: str, detail: str = "", source: str = "zbx") -> messages.Trigger:
    return messages.Trigger(
        id="0123456789abcdefgh",
        source=source,
        event_id="4711",
        status="problem",
        correlation_id="i",
        received_at=ASKED,
        verdict=verdict,
        detail=detail,
    )


def said(event: Any, behind: messages.Command | None = None) -> str:
    found = comments.comment(port.Report(event, behind))
    return found.text if found else ""


def test_a_change_says_who_from_to_and_how_long() -> None:
    assert said(outcome(), command()) == (
        "Concierge: web on shop: converged: 1 → 2 in 0.4 s; 0.9 s after the webhook; came: web-2; "
        "zbx asked for scale_out 1 [concierge outcome 0123456789abcdef]"
    )


def test_a_failure_says_why_and_what_runs() -> None:
    failed = outcome(result="failed", after=1, added=(), detail="no such image")
    assert said(failed, command()) == (
        "Concierge: web on shop: failed: 1 → 2 in 0.4 s, 1 run: no such image; "
        "zbx asked for scale_out 1 [concierge outcome 0123456789abcdef]"
    )


@pytest.mark.parametrize(
    ("verdict", "reason", "text"),
    [
        ("nothing", "at_max", "Concierge: scale_out 1 for web was not done: at_max: the numbers"),
        ("refuse", "expired", "Concierge: scale_out 1 for web was not done: expired: the numbers"),
        ("wait", "cooldown", "Concierge: scale_out 1 for web waits: cooldown: the numbers"),
    ],
)
def test_what_is_not_done_says_why(verdict: messages.Verdict, reason: str, text: str) -> None:
    assert said(decision(verdict, reason, "the numbers"), command()) == (
        f"{text} [concierge decision 0123456789abcdef]"
    )


def test_a_webhook_that_nobody_can_follow_says_why() -> None:
    assert said(trigger("bad_action", "'scale up' is none")) == (
        "Concierge does nothing: bad_action: 'scale up' is none [concierge trigger 0123456789abcdef]"
    )


@pytest.mark.parametrize(
    "report",
    [
        port.Report(decision("act", "ok"), command()),
        port.Report(decision("wait", "merged"), command()),
        port.Report(decision("wait", "changing"), command()),
        port.Report(decision("nothing", "released"), command(verb="release", amount=0)),
        port.Report(decision("act", "below_min")),
        port.Report(outcome()),
    ],
)
def test_there_is_nothing_to_say(report: port.Report) -> None:
    assert comments.comment(report) is None


def test_a_comment_fits_and_keeps_its_mark() -> None:
    found = said(outcome(detail="x" * 5000), command())
    assert len(found) == comments.LONGEST
    assert found.endswith(" [concierge outcome 0123456789abcdef]")


def test_only_problems_of_a_zabbix_source_get_one() -> None:
    assert comments.about(port.Report(outcome(), command()), CONFIG) == "4711"
    assert comments.about(port.Report(trigger("no_rule")), CONFIG) == "4711"
    for problem in ("am/4711", "gone/4711", "", "zbx/test-1"):
        assert comments.about(port.Report(outcome(), command(problem=problem)), CONFIG) == ""
    assert comments.about(port.Report(trigger("no_rule", source="am")), CONFIG) == ""


def written(*texts: str) -> list[dict[str, Any]]:
    """As the API lists them: newest first."""
    found = [{"acknowledgeid": str(9 + number), "message": text} for number, text in enumerate(texts)]
    return found[::-1]


def test_one_that_stands_is_not_written_again() -> None:
    found = comments.comment(port.Report(outcome(), command()))
    assert found
    assert comments.stands(written(found.text, "hm", "Concierge: other [concierge outcome x]"), found)
    assert not comments.stands(written("hm"), found)
    assert not comments.stands([], found)


def test_the_same_reason_is_said_once_running() -> None:
    first, second = (
        comments.Comment(
            "Concierge: scale_out 1 for web waits: cooldown", f"{left} s", f"[concierge d {left}]"
        )
        for left in (9, 3)
    )
    done = "Concierge: web on shop: converged: 1 → 2 in 0.4 s [concierge outcome y]"
    assert comments.stands(written(first.text, "a person says hm"), second)
    assert not comments.stands(written(first.text, done), second)


def test_every_outcome_is_said() -> None:
    first = comments.comment(port.Report(outcome(), command()))
    second = comments.comment(port.Report(outcome(before=2, wanted=3, after=3), command()))
    assert first
    assert second
    assert not comments.stands(written(first.text.replace("0123", "9999")), second)


def test_a_change_becomes_values_with_its_time() -> None:
    rows = outcomes.rows("service web", port.Report(outcome(), command()))
    assert [(row.key, row.value) for row in rows] == [
        ("service.wanted", "2"),
        ("service.outcome", "converged: 1 → 2 in 0.4 s"),
        ("service.reaction", "0.9"),
    ]
    assert {(row.host, row.clock, row.ns) for row in rows} == {
        ("service web", int(ASKED.timestamp()) + 2, 150_000_000)
    }


def test_the_wanted_number_is_told_when_it_is_decided() -> None:
    rows = outcomes.rows("h", port.Report(decision("act", "ok", wanted=3), command()))
    assert [(row.key, row.value) for row in rows] == [("service.wanted", "3")]
    assert outcomes.rows("h", port.Report(decision("wait", "held", wanted=3), command())) == []
    assert outcomes.rows("h", port.Report(trigger("no_rule"))) == []


@pytest.mark.parametrize(
    ("found", "behind"),
    [
        (outcome(), None),
        (outcome(), command(problem="")),
        (outcome(result="timed_out"), command()),
    ],
)
def test_only_what_a_webhook_asked_for_and_came_true_has_a_reaction_time(
    found: messages.Outcome, behind: messages.Command | None
) -> None:
    assert outcomes.reaction(found, behind) is None
