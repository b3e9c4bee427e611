"""The rules of OpenMetrics, case by case: what is valid is read as prometheus_client reads it, at any chunk."""

import math

import pytest

from concierge_courier.sources import port, prometheus
from concierge_proto import errors
from tests.unit.courier import openmetrics, pages


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
