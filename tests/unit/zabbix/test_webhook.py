"""Webhooks of our media type, as they were seen from 6.0.14 and 7.0.9."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as some

from concierge_backends.zabbix import webhook
from concierge_proto import errors, identity, messages

RECEIVED = datetime(2026, 11, 22, 10, 35, 29, tzinfo=UTC)
PROBLEM = {
    "event_id": "4711",
    "event_value": "1",
    "event_update": "0",
    "event_name": "High load",
    "event_severity": "4",
    "event_tags": '[{"tag":"service","value":"web"},{"tag":"concierge","value":"service"}]',
    "event_started": "2026.11.22 10:35:28",
    "host": "service web",
    "value": "5.25",
    "subject": "scale_out 1",
    "message": "High load",
    "action_id": "7",
    "sent": "2026.11.22 10:35:28",
    "url": "http://zabbix/tr_events.php?triggerid=1&eventid=4711",
}


def read(**changed: str) -> messages.Trigger:
    (found,) = webhook.read(json.dumps(PROBLEM | changed).encode(), "zabbix", RECEIVED)
    return found


def test_a_problem_is_read_whole() -> None:
    step = "2026.11.22 10:35:28 action 7"
    assert read() == messages.Trigger(
        id=identity.derive("trigger", "zabbix", "4711", "problem", step),
        source="zabbix",
        event_id="4711",
        status="problem",
        step=step,
        service="web",
        name="High load",
        severity=4,
        tags={"service": "web", "concierge": "service"},
        value="5.25",
        action="scale_out 1",
        url="http://zabbix/tr_events.php?triggerid=1&eventid=4711",
        started_at=datetime(2026, 11, 22, 10, 35, 28, tzinfo=UTC),
        received_at=RECEIVED,
        correlation_id=identity.derive("incident", "zabbix", "4711"),
    )


def test_a_step_differs_from_the_next_and_not_from_its_retry() -> None:
    later = read(sent="2026.11.22 10:36:28")
    assert read().id != later.id
    assert later.id == read(sent="2026.11.22 10:36:28").id
    assert read().correlation_id == later.correlation_id


def test_two_actions_of_one_moment_are_two() -> None:
    assert read().id != read(action_id="8").id


def test_a_recovery_is_one_however_many_tell_of_it() -> None:
    first, second = read(event_value="0"), read(event_value="0", action_id="8", sent="2026.11.22 10:40:00")
    assert first.status == "resolved"
    assert first.verdict == ""
    assert first.id == second.id
    assert first.problem == read().problem


def test_an_update_never_acts() -> None:
    update = read(event_update="1", message="commented")
    assert update.verdict == "update"
    assert update.id != read().id


def test_closing_by_hand_releases_once_in_either_order() -> None:
    recovery = read(event_value="0", event_update="0")
    closing = read(event_value="0", event_update="1")
    assert (recovery.verdict, closing.verdict) == ("", "update")
    assert recovery.id != closing.id


def test_a_canceled_escalation_never_acts() -> None:
    note = 'NOTE: Escalation canceled: trigger "High load" disabled.\nLast message sent:\nHigh load'
    found = read(message=note)
    assert (found.verdict, found.status) == ("canceled", "problem")


def test_the_test_button_is_recognised() -> None:
    macros = {name: "{EVENT.ID}" if name == "event_id" else "{EVENT.X}" for name in PROBLEM}
    found = read(**macros)
    assert found.verdict == "test"
    assert found.id == read(**macros).id


@pytest.mark.parametrize("absent", ["*UNKNOWN*", "{EVENT.NAME}", '{EVENT.TAGS."concierge.correlation"}', ""])
def test_absent_is_absent(absent: str) -> None:
    found = read(event_name=absent, value=absent, subject=absent, url=absent, event_tags=absent, host=absent)
    assert (found.name, found.value, found.action, found.url, found.tags, found.service) == (
        "",
        "",
        "",
        "",
        {},
        "",
    )


def test_prose_is_not_taken_for_a_macro() -> None:
    assert read(event_name="load is {high} now").name == "load is {high} now"


def test_the_service_comes_from_the_tag_before_the_host() -> None:
    assert read(host="service api").service == "web"
    assert read(event_tags="[]", host="service api").service == "api"
    assert read(event_tags="[]", host="db-1").service == ""


def test_service_hosts_may_have_another_name() -> None:
    named = webhook.reader("svc-{service}.example")
    body = json.dumps(PROBLEM | {"event_tags": "[]", "host": "svc-api.example"}).encode()
    assert named(body, "zabbix", RECEIVED)[0].service == "api"


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"event_id": "abc"}, "event_id"),
        ({"event_id": "*UNKNOWN*"}, "event_id"),
        ({"event_id": "9" * 5000}, "event_id"),
        ({"event_id": "\N{ARABIC-INDIC DIGIT THREE}"}, "event_id"),
        ({"event_value": "2"}, "event_value"),
        ({"event_tags": "{}"}, "event_tags"),
        ({"event_tags": "nonsense"}, "event_tags"),
    ],
)
def test_a_mistake_is_named(changed: dict[str, str], field: str) -> None:
    with pytest.raises(errors.Malformed, match=field):
        read(**changed)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"\xff", b"[" * 100_000, b'{"event_id": 1, "event_value": "1"}']
)
def test_another_body_is_malformed(body: bytes) -> None:
    with pytest.raises(errors.Malformed):
        webhook.read(body, "zabbix", RECEIVED)


@given(some.dictionaries(some.sampled_from(sorted(PROBLEM)), some.text(max_size=30)))
def test_nothing_else_is_ever_raised(changed: dict[str, str]) -> None:
    try:
        found = read(**changed)
    except errors.Malformed:
        return
    assert found.source == "zabbix"


def test_the_doctors_own_problem_asks_for_nothing() -> None:
    tags = '[{"tag":"service","value":"web"},{"tag":"concierge.doctor","value":"1"}]'
    assert read(event_tags=tags).verdict == "test"
    assert read().verdict == ""
