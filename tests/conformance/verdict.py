"""Judges one case: what the courier makes of a page of OpenMetrics, beside what the format and prometheus_client say."""

import re
from typing import NamedTuple

from concierge_courier.sources import port, prometheus
from concierge_proto import errors
from tests.unit.courier import pages

AGREES, BY_RULE, DEFECT = "agrees", "by rule", "defect"


class Rule(NamedTuple):
    """A difference that is meant: the format forbids it, the courier reads it."""

    cases: re.Pattern[str]
    why: str


RULES = (
    Rule(
        re.compile(r"bad_(counter|(info_and_)?stateset(_info)?)_values.*|bad_histograms.*"),
        "A value is not judged: a counter below zero or a bucket that is not whole is sent as it is.",
    ),
    Rule(
        re.compile(r"bad_missing_or_invalid_labels_for_a_type.*"),
        "A label is not judged: a quantile of 1.01 or a bucket without its end is a sample like any other.",
    ),
    Rule(
        re.compile(r"bad_(help|type|unit|metadata|repeated_metadata|clashing_names).*"),
        "A comment is never an error: what is no type is passed over.",
    ),
    Rule(
        re.compile(r"bad_grouping_or_ordering.*|duplicate_timestamps.*"),
        "Order is free, time stamps are not compared: of a sample that is said twice the last one counts.",
    ),
    Rule(
        re.compile(r"bad_exemplar.*"),
        "An exemplar is not looked into: behind the # of a sample may stand anything.",
    ),
    Rule(
        re.compile(
            r"bad_blank_line|bad_value_[123]|bad_missing_or_extra_commas_2|bad_timestamp_3|bad_invalid_labels_6"
        ),
        "Blanks, blank lines, a comma behind the last label and the look of a time stamp are free, as they were in 0.0.4.",
    ),
    Rule(
        re.compile(r"bad_no_eof|bad_text_after_eof_1"),
        "Without # EOF a page is whole when nothing on it is of OpenMetrics alone: it is text 0.0.4.",
    ),
)
"""Each is a sentence of docs/courier.md, word by word."""


class Verdict(NamedTuple):
    """On one case."""

    word: str
    why: str


def judge(name: str, page: str, *, valid: bool) -> Verdict:
    """Return whether the courier does with a page what it promises; `valid` is the format's own word on it."""
    reading = _read(page)
    if reading is None:
        return Verdict(DEFECT, "valid, but refused") if valid else Verdict(AGREES, "refused")
    found = pages.cells(reading)
    if len(found) + reading.unusable != _samples(page):
        return Verdict(
            DEFECT, f"{_samples(page)} samples became {len(found)} and {reading.unusable} unusable"
        )
    if valid and _as_oracle(page, found):
        return Verdict(AGREES, "read as prometheus_client reads it")
    if not valid and reading.unusable:
        return Verdict(AGREES, f"unusable: {reading.unusable}")
    return next(
        (Verdict(BY_RULE, rule.why) for rule in RULES if rule.cases.fullmatch(name)),
        Verdict(DEFECT, f"no rule explains {found}"),
    )


def _read(page: str) -> port.Reading | None:
    """Return what is read at once, and again in pieces; None when both refuse it."""
    decoder, body = prometheus.Decoder(), page.encode()
    readings: list[port.Reading | None] = []
    for chunks in ([body], [body[at : at + 5] for at in range(0, len(body), 5)]):
        try:
            readings.append(decoder.stream(chunks))
        except errors.Temporary:
            readings.append(None)
    if readings[0] != readings[1]:
        raise AssertionError(f"read differently in pieces: {page!r}")
    return readings[0]


def _samples(page: str) -> int:
    """Count the lines that should be samples."""
    return sum(line.strip()[:1] not in {"", "#"} for line in page.split("\n"))


def _as_oracle(page: str, found: pages.Cells) -> bool:
    return not pages.broken(page) and found == pages.expected(page, modern=True)
