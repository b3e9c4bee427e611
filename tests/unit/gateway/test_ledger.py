"""What is known of a problem, whatever order its triggers come in."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from concierge_gateway import ledger, rules, steps
from concierge_proto import messages

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


def trigger(**fields: Any) -> messages.Trigger:
    found: dict[str, Any] = {
        "id": "t",
        "source": "am",
        "event_id": "e",
        "status": "problem",
        "received_at": NOW,
        "correlation_id": "c",
        "verdict": "command",
    }
    return messages.Trigger(**found | fields)


def told(*triggers: messages.Trigger) -> ledger.Ledger:
    book = ledger.Ledger()
    for each in triggers:
        book.note(each)
    return book


def test_nothing_is_known_at_first() -> None:
    assert told().past("am/e") == rules.Past()
    assert not told().knows("am/e")


def test_a_step_is_known_and_open() -> None:
    book = told(trigger())
    assert book.past("am/e") == rules.Past(known=True)
    assert [found.trigger.event_id for found in book.open("am")] == ["e"]
    assert book.open("other") == []


def test_an_end_closes_whenever_it_comes() -> None:
    end = trigger(status="resolved", verdict="release")
    for book in (told(trigger(), end), told(end, trigger())):
        assert book.past("am/e").closed
        assert book.open("am") == []


def test_side_remarks_say_nothing() -> None:
    for verdict in ("test", "update", "canceled", "not_allowed", "unknown_service"):
        assert told(trigger(verdict=verdict, status="resolved")).past("am/e") == rules.Past()


def test_what_was_refused_is_known_but_not_acted_upon() -> None:
    book = told(trigger(verdict="too_old"))
    assert book.past("am/e").known
    assert book.open("am") == []


def test_a_repaired_problem_waits_for_its_own_webhook_once() -> None:
    book = told(trigger(step=steps.REPAIRED))
    assert book.past("am/e").repaired
    book.note(trigger(step="first", verdict="repaired"))
    assert book.past("am/e") == rules.Past(known=True)
    assert book.open("am")


def test_a_repair_that_did_nothing_takes_nothing_from_the_webhook() -> None:
    assert not told(trigger(step=steps.REPAIRED, verdict="no_rule")).past("am/e").repaired


def test_what_is_on_its_way_is_held() -> None:
    book = told()
    with book.arriving("am/e"):
        assert book.knows("am/e")
        assert not book.past("am/e").known
    with book.repairing("am/e"):
        assert book.past("am/e").repaired
    assert not book.knows("am/e")
    assert not book.past("am/e").repaired


def test_the_old_is_forgotten() -> None:
    book = told(trigger(), trigger(event_id="young", received_at=NOW + timedelta(days=1)))
    book._forget(NOW + timedelta(hours=1))
    assert list(book.problems) == ["am/young"]


@given(st.lists(st.sampled_from(["1", "2", "end"]), max_size=6))
def test_reading_the_log_twice_changes_nothing(words: list[str]) -> None:
    log = [
        trigger(status="resolved", verdict="release") if word == "end" else trigger(id=word, step=word)
        for word in words
    ]
    once, twice = told(*log), told(*log, *log)
    assert once.past("am/e") == twice.past("am/e")
    assert msgspec.to_builtins(once.open("am")) == msgspec.to_builtins(twice.open("am"))
