"""Alertmanager's webhook: every alert for itself, the same notification twice the same triggers."""

import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from concierge_backends.prometheus import webhook
from concierge_proto import errors, messages

STARTED = datetime(2026, 11, 22, 15, 0, 0, 123_000, UTC)
NOW = STARTED + timedelta(seconds=5)


def alert(**changes: Any) -> dict[str, Any]:
    return {
        "status": "firing",
        "labels": {"alertname": "High load", "service": "web", "severity": "high"},
        "annotations": {"concierge_action": "scale_out 1", "value": "7.5"},
        "startsAt": "2026-11-22T15:00:00.123456789Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus/graph",
        "fingerprint": "c0ffee",
        **changes,
    }


def notification(*alerts: dict[str, Any], **changes: Any) -> bytes:
    return msgspec.json.encode(
        {
            "version": "4",
            "groupKey": "{}",
            "status": "firing",
            "receiver": "concierge",
            "groupLabels": {},
            "commonLabels": {},
            "commonAnnotations": {},
            "externalURL": "http://alertmanager",
            "truncatedAlerts": 0,
            "alerts": list(alerts),
            **changes,
        }
    )


def read(*alerts: dict[str, Any], now: datetime = NOW, **changes: Any) -> list[messages.Trigger]:
    return webhook.read(notification(*alerts, **changes), "am", now)


def test_reads_an_alert() -> None:
    (found,) = read(alert())
    assert found.event_id == "c0ffee-1795359600123"
    assert (found.status, found.service, found.name, found.severity) == ("problem", "web", "High load", 4)
    assert (found.action, found.value, found.step) == ("scale_out 1", "7.5", "")
    assert found.url == "http://prometheus/graph"
    assert found.tags["alertname"] == "High load"
    assert found.started_at is not None
    assert abs(found.started_at - STARTED) < timedelta(milliseconds=1)


def test_each_alert_has_its_own_status() -> None:
    found = read(alert(), alert(fingerprint="beef", status="resolved"), status="firing")
    assert [one.status for one in found] == ["problem", "resolved"]


def test_a_recovery_carries_the_id_of_its_problem() -> None:
    problem, recovery = read(alert(), alert(status="resolved", endsAt="2026-11-22T15:10:00Z"))
    assert problem.correlation_id == recovery.correlation_id
    assert problem.id != recovery.id


def test_the_same_notification_later_is_the_same_trigger() -> None:
    assert read(alert())[0].id == read(alert(), now=NOW + timedelta(hours=1))[0].id


def test_the_label_does_where_there_is_no_annotation() -> None:
    labels = {"service": "web", "concierge_action": "scale_in 1"}
    assert read(alert(labels=labels, annotations={}))[0].action == "scale_in 1"


@pytest.mark.parametrize(("seconds", "tick"), [(-5, "0"), (0, "0"), (59, "0"), (60, "1"), (125, "2")])
def test_periods_are_steps(seconds: int, tick: str) -> None:
    stepping = alert(annotations={"concierge_repeat_every": "60s"})
    (found,) = read(stepping, now=STARTED + timedelta(seconds=seconds, milliseconds=1))
    assert found.step == tick


def test_a_recovery_has_no_step() -> None:
    stepping = alert(annotations={"concierge_repeat_every": "60s"}, status="resolved")
    assert read(stepping, now=NOW + timedelta(hours=1))[0].step == ""


def test_what_was_cut_off_is_noted() -> None:
    assert "3 further alerts were cut off" in read(alert(), truncatedAlerts=3)[0].detail


def test_an_odd_service_does_not_lose_the_others() -> None:
    odd, good = read(alert(labels={"service": "My Service"}), alert())
    assert odd.service == ""
    assert "labels.service: service name 'My Service'" in odd.detail
    assert good.service == "web"


@pytest.mark.parametrize(
    ("label", "severity"),
    [("critical", 5), ("Warning", 2), ("4", 4), ("9", 5), ("²", 0), ("", 0), ("info", 1), ("whatever", 0)],
)
def test_severities(label: str, severity: int) -> None:
    assert read(alert(labels={"severity": label}))[0].severity == severity


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (notification(alert(), version="3"), "version"),
        (notification(alert(status="gone")), r"status|alerts\[0\]"),
        (notification(alert(startsAt="soon")), "startsAt"),
        (notification(alert(startsAt="2026-11-22T15:00:00")), "startsAt"),
        (notification(alert(fingerprint="")), "fingerprint"),
        (notification(alert(labels={"service": 1})), "labels"),
        (notification(alert(annotations={"concierge_repeat_every": "often"})), "concierge_repeat_every"),
        (b'{"version": "4"}', "alerts"),
        (b"\xff", "Notification"),
        (b"[" * 100_000, "Notification"),
    ],
)
def test_names_the_field(body: bytes, said: str) -> None:
    with pytest.raises(errors.Malformed, match=said):
        webhook.read(body, "am", NOW)


def test_the_list_of_alerts_tells_the_same_as_the_webhook() -> None:
    listed = {name: value for name, value in alert().items() if name != "status"}
    body = msgspec.json.encode([{**listed, "status": {"state": "active", "silencedBy": []}}])
    assert webhook.listed(body, "am", NOW) == read(alert())


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_malformed(data: bytes) -> None:
    with contextlib.suppress(errors.Malformed):
        webhook.read(data, "am", NOW)
