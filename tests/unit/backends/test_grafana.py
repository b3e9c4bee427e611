"""Grafana's own webhook: Alertmanager's in another dress, and two alerts of Grafana's own."""

from typing import Any

import msgspec
import pytest

from concierge_backends.prometheus import grafana
from concierge_proto import errors, messages
from tests.unit.backends.test_alertmanager import NOW, alert, notification


def read(*alerts: dict[str, Any], **changes: Any) -> list[messages.Trigger]:
    return grafana.read(
        notification(*alerts, version="1", orgId=1, title="x", state="alerting", **changes), "graf", NOW
    )


def told(**changes: Any) -> dict[str, Any]:
    """Return an alert as Grafana posts it."""
    extra = {"silenceURL": "http://g/s", "dashboardURL": "", "panelURL": "", "values": {"B": 44.2, "C": 1}}
    return alert(annotations={"concierge_action": "scale_out 1"}, **extra) | changes


def test_reads_an_alert() -> None:
    problem, recovery = read(told(), told(status="resolved"))
    assert (problem.status, problem.service, problem.name) == ("problem", "web", "High load")
    assert (problem.action, problem.value, problem.verdict) == ("scale_out 1", "B=44.2, C=1", "")
    assert (recovery.status, recovery.correlation_id) == ("resolved", problem.correlation_id)


def test_older_versions_write_values_as_prose() -> None:
    (found,) = read(told(values=None, valueString="[ metric='' labels={} value=14.1 ]"))
    assert found.value == "[ metric='' labels={} value=14.1 ]"


@pytest.mark.parametrize("name", ["DatasourceNoData", "DatasourceError"])
@pytest.mark.parametrize("status", ["firing", "resolved"])
def test_a_rule_that_could_not_be_evaluated_is_no_load(name: str, status: str) -> None:
    """It carries the labels and annotations of its rule, the action too."""
    labels = {"alertname": name, "rulename": "High load", "service": "web", "datasource_uid": "p1"}
    (found,) = read(told(labels=labels, status=status))
    assert (found.verdict, found.service) == ("blind", "web")


@pytest.mark.parametrize("reason", ["NoData", "Error"])
def test_a_rule_that_fires_without_data_is_no_load(reason: str) -> None:
    """Its "alert state if no data, or error" is Alerting: the alert bears its own name, and the reason beside it."""
    action = {"concierge_action": "scale_out 1"}
    (blind,) = read(told(annotations={**action, "grafana_state_reason": reason}))
    (seen,) = read(told(annotations=action))
    assert (blind.verdict, blind.correlation_id) == ("blind", seen.correlation_id)
    assert reason in blind.detail
    assert blind.id != seen.id, "it must not take the place of the same alert with data"


@pytest.mark.parametrize(
    ("status", "reason"), [("firing", "NoData, KeepLast"), ("resolved", "NoData"), ("resolved", "Paused")]
)
def test_other_reasons_are_what_they_say(status: str, reason: str) -> None:
    (found,) = read(told(status=status, annotations={"grafana_state_reason": reason}))
    assert found.verdict == ""


def test_the_test_button() -> None:
    (found,) = read(told(labels={"alertname": "TestAlert", "instance": "Grafana"}))
    assert found.verdict == "test"


def test_says_which_field_is_wrong() -> None:
    with pytest.raises(errors.Malformed, match=r"alerts\[0\]\.status"):
        read(told(status="odd"))
    with pytest.raises(errors.Malformed):
        grafana.read(msgspec.json.encode([1]), "graf", NOW)
