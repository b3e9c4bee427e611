"""The rules of OpenMetrics, case by case: what is valid is read as prometheus_client reads it, at any chunk."""

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concierge_courier.sources import port, prometheus
from concierge_proto import errors
from tests.conformance import verdict
from tests.unit.courier import openmetrics, pages, rules

GUIDE = Path(__file__).parents[3] / "docs" / "courier.md"
LINES = sorted({line for page in rules.RULES.values() for line in page.split("\n")})


def twice(page: str) -> port.Reading:
    """Read it twice, the second time bit by bit; both are the same."""
    decoder, body = prometheus.Decoder(), page.encode()
    first = decoder.decode(body)
    assert decoder.stream(body[at : at + 3] for at in range(0, len(body), 3)) == first
    return first


@pytest.mark.parametrize("rule", openmetrics.GOOD)
def test_what_is_valid_is_read_as_prometheus_client_reads_it(rule: str) -> None:
    page = openmetrics.GOOD[rule] + openmetrics.END
    assert pages.cells(twice(page)) == pages.expected(page, modern=True)


@pytest.mark.parametrize("rule", openmetrics.GOOD)
def test_what_is_valid_has_nothing_unusable_but_what_is_not_finite(rule: str) -> None:
    page = openmetrics.GOOD[rule] + openmetrics.END
    values = [sample.value for sample in pages.samples(page)]
    assert twice(page).unusable == sum(not math.isfinite(value) for value in values)


@pytest.mark.parametrize("case", openmetrics.BROKEN, ids=lambda case: case.rule)
def test_what_is_broken_is_read_as_far_as_it_goes(case: openmetrics.Broken) -> None:
    assert pages.broken(case.page)
    if case.cells is None:
        with pytest.raises(errors.Temporary):
            twice(case.page)
        return
    reading = twice(case.page)
    assert (pages.cells(reading), reading.unusable) == (case.cells, case.unusable)


@pytest.mark.parametrize("name", rules.RULES)
def test_a_rule_that_is_broken_is_refused_or_counted_or_meant(name: str) -> None:
    page = rules.RULES[name]
    assert pages.broken(page)
    found = verdict.judge(name, page, valid=False)
    assert found.word != verdict.DEFECT, found.why


@pytest.mark.parametrize("rule", openmetrics.GOOD)
def test_what_is_valid_needs_no_rule(rule: str) -> None:
    found = verdict.judge(rule, openmetrics.GOOD[rule] + openmetrics.END, valid=True)
    assert found.word == verdict.AGREES, found.why


def test_of_a_sample_that_is_said_twice_with_other_times_the_last_counts() -> None:
    page = f"# TYPE queue gauge\nqueue 1 0.0\nqueue 2 0.0000000001\nqueue 3 0.000000001\n{rules.END}"
    assert pages.cells(twice(page)) == {"gauge[queue,value]": 3}
    assert verdict.judge("duplicate_timestamps", page, valid=True).word != verdict.DEFECT


@pytest.mark.parametrize("rule", verdict.RULES, ids=lambda rule: rule.cases.pattern[:20])
def test_a_difference_that_is_meant_is_told_to_users(rule: verdict.Rule) -> None:
    assert rule.why in " ".join(GUIDE.read_text().split())


def test_what_no_rule_explains_is_a_defect() -> None:
    broken = "# TYPE m summary\nm_count -1\n# EOF\n"
    assert verdict.judge("bad_surprise", broken, valid=False).word == verdict.DEFECT
    assert verdict.judge("simple_gauge", "queue{a=1} 4\n# EOF\n", valid=True).word == verdict.DEFECT


def test_a_sample_that_vanishes_is_a_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    empty = port.Reading(())
    monkeypatch.setattr(verdict, "_read", lambda page: empty)
    assert verdict.judge("bad_help_0", "queue 4\n# EOF\n", valid=False).word == verdict.DEFECT


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(LINES), max_size=8))
def test_however_rules_are_broken_together_no_sample_vanishes_uncounted(lines: list[str]) -> None:
    samples = sum(line.strip()[:1] not in {"", "#"} for line in lines)
    try:
        reading = twice("\n".join([*lines, rules.END]))
    except errors.Temporary:
        assert samples
        return
    assert len(pages.cells(reading)) + reading.unusable >= samples
