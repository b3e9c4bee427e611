"""One webhook of each kind, with the bodies that the senders really post."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from concierge_gateway import openapi
from concierge_proto import bus, identity, messages, settings
from tests.integration.gateway import house


def zabbix(**changes: str) -> dict[str, str]:
    """Return what the media type sends, 3 s after the problem began."""
    began = datetime.now(UTC) - timedelta(seconds=3)
    return {
        "event_id": "4711",
        "event_value": "1",
        "event_update": "0",
        "event_name": "High load on service web",
        "event_severity": "4",
        "event_tags": '[{"tag":"service","value":"web"},{"tag":"concierge","value":"service"}]',
        "event_started": began.strftime("%Y.%m.%d %H:%M:%S"),
        "host": "service web",
        "value": "7.2",
        "subject": "scale_out 2",
        "message": "High load",
        "action_id": "12",
        "sent": began.strftime("%Y.%m.%d %H:%M:%S"),
        "url": "*UNKNOWN*",
    } | changes


def alertmanager(*alerts: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return the body that Alertmanager 0.25 posts."""
    return {
        "receiver": "concierge",
        "status": "firing",
        "alerts": list(alerts),
        "groupLabels": {"service": "web"},
        "commonLabels": {"service": "web"},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.example:9093",
        "version": "4",
        "groupKey": '{}:{service="web"}',
        "truncatedAlerts": 0,
    } | changes


def alert(fingerprint: str = "5ef77f1f8a3ecfb4", **changes: Any) -> dict[str, Any]:
    return {
        "status": "firing",
        "labels": {"alertname": "High load", "service": "web", "severity": "high"},
        "annotations": {"concierge_action": "scale_out 1"},
        "startsAt": (datetime.now(UTC) - timedelta(seconds=3)).isoformat().replace("+00:00", "Z"),
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus.example:9090/graph?g0.expr=x",
        "fingerprint": fingerprint,
    } | changes


async def test_zabbix_s_service_hosts_are_known_by_their_configured_name(
    link: bus.Bus, tmp_path: Path
) -> None:
    own = settings.Monitoring(zabbix=settings.Zabbix(service_host="svc-{service}.example"))
    config = msgspec.structs.replace(house.configuration(tmp_path), monitoring=own)
    async with house.serving(config, link) as client:
        answer = await client.say("zabbix", **zabbix(host="svc-web.example", event_tags="[]"))
        assert answer.json()["decision"] == "command", answer.text
        (found,) = await client.commands()
    assert (found.service, found.verb, found.amount) == ("web", "scale_out", 2)


async def test_zabbix(client: house.Client) -> None:
    answer = await client.say("zabbix", **zabbix())
    assert answer.status_code == 202
    told = answer.json()
    assert told["decision"] == "command"
    assert told["correlation_id"] == identity.derive("incident", "zabbix", "4711")
    assert told["tags"] == {"concierge.correlation": told["correlation_id"]}
    (event,) = await client.events("web")
    assert (event.id, event.verdict, event.source) == (told["id"], "command", "zabbix")
    (command,) = await client.commands()
    assert (command.verb, command.amount, command.target) == ("scale_out", 2, "shop")
    assert event.commands == (command.id,)
    assert command.problem == "zabbix/4711"


async def test_an_escalation_of_zabbix_and_its_end(client: house.Client) -> None:
    for sent in ("2026.11.22 10:00:00", "2026.11.22 10:01:00", "2026.11.22 10:01:00"):
        assert (await client.say("zabbix", **zabbix(sent=sent))).status_code == 202
    closing = zabbix(event_value="0", event_update="1", sent="2026.11.22 10:01:30")
    assert (await client.say("zabbix", **closing)).json()["decision"] == "update"
    assert (await client.say("zabbix", **zabbix(event_value="0"))).json()["decision"] == "release"
    late = await client.say("zabbix", **zabbix(sent="2026.11.22 10:02:00"))
    assert late.json()["decision"] == "closed"
    assert [command.verb for command in await client.commands()] == ["scale_out", "scale_out", "release"]


async def test_the_test_button_of_zabbix(client: house.Client) -> None:
    for _ in range(2):
        answer = await client.say("zabbix", **zabbix(event_id="{EVENT.ID}", event_value="{EVENT.VALUE}"))
        assert (answer.status_code, answer.json()["decision"]) == (202, "test")
    assert await client.commands() == []
    assert [event.verdict for event in await client.events("_")] == ["test", "test"]


async def test_a_cancelled_escalation_of_zabbix_is_no_step(client: house.Client) -> None:
    note = 'NOTE: Escalation canceled: trigger "High load" disabled.\nLast message sent:\nHigh load'
    answer = await client.say("zabbix", **zabbix(message=note))
    assert answer.json()["decision"] == "canceled"
    assert await client.commands() == []


async def test_alertmanager(client: house.Client) -> None:
    answer = await client.tell("am", **alertmanager(alert()))
    assert answer.status_code == 202
    assert answer.json()["decision"] == "command"
    assert "tags" not in answer.json()
    (command,) = await client.commands()
    assert (command.service, command.verb, command.amount) == ("web", "scale_out", 1)


async def test_a_mixed_group_of_alertmanager_is_taken_alert_by_alert(client: house.Client) -> None:
    began = alert()["startsAt"]
    gone = alert("b" * 16, status="resolved", startsAt=began, endsAt=datetime.now(UTC).isoformat())
    other = alert("c" * 16, labels={"alertname": "Odd", "service": "nobody"}, startsAt=began)
    answer = await client.tell("am", **alertmanager(alert(startsAt=began), gone, other))
    told = answer.json()
    assert [each["decision"] for each in told["triggers"]] == ["command", "release", "unknown_service"]
    assert told["decision"] == "command"
    assert {command.verb for command in await client.commands()} == {"scale_out", "release"}
    assert [event.verdict for event in await client.events("_")] == ["unknown_service"]


async def test_alertmanager_repeats_and_a_second_alertmanager(client: house.Client) -> None:
    body = alertmanager(alert())
    first = (await client.tell("am", **body)).json()
    second = (await client.tell("am", **body, notification_reason="repeat interval elapsed")).json()
    assert (second["decision"], second["id"]) == ("duplicate", first["id"])
    assert len(await client.commands()) == 1


async def test_notifications_of_one_period_are_one_step(client: house.Client) -> None:
    says = {"concierge_action": "scale_out 1", "concierge_repeat_every": "60s"}
    began = (datetime.now(UTC) - timedelta(seconds=70)).isoformat()
    firing = alertmanager(alert(annotations=says, startsAt=began))
    decisions = [(await client.tell("am", **firing)).json()["decision"] for _ in range(3)]
    assert decisions == ["command", "duplicate", "duplicate"]
    (event,) = await client.events("web")
    assert event.step == "1"


async def test_generic(client: house.Client) -> None:
    answer = await client.say("own", event_id="load-17", status="problem", service="web", name="High load")
    assert answer.status_code == 202
    assert answer.json()["reason"] == "rule 'High load*': scale_out 1"
    (command,) = await client.commands()
    assert command.correlation_id == answer.json()["correlation_id"]


async def test_the_examples_of_the_contract_are_understood(client: house.Client) -> None:
    examples = openapi.WEBHOOK["requestBody"]["content"]["application/json"]["examples"]
    ways = {"zabbix": client.say, "generic": client.say, "alertmanager": client.tell, "grafana": client.tell}
    for kind, send in ways.items():
        source = {"generic": "own", "alertmanager": "am"}.get(kind, kind)
        answer = await send(source, **examples[kind]["value"])
        assert (answer.status_code, answer.json()["decision"]) in {(202, "command"), (202, "too_old")}, kind


async def test_grafana_without_data_does_nothing(client: house.Client) -> None:
    labels = {"alertname": "DatasourceNoData", "service": "web"}
    answer = await client.tell("grafana", **alertmanager(alert(labels=labels), version="1"))
    assert (answer.status_code, answer.json()["decision"]) == (202, "blind")
    assert await client.commands() == []


async def test_somebody_else_s_json(client: house.Client) -> None:
    answer = await client.tell("other", monitor={"id": 17, "state": "down", "todo": "scale_out 2"})
    assert (answer.status_code, answer.json()["reason"]) == (202, "the trigger says scale_out 2")
    answer = await client.tell("other", monitor={"id": 17, "state": "asleep"})
    assert (answer.status_code, answer.json()["decision"]) == (400, "refused")
    assert "monitor.state: 'asleep' is none of" in answer.json()["reason"]
    await client.tell("other", monitor={"id": 17, "state": "up"})
    assert [command.verb for command in await client.commands()] == ["scale_out", "release"]


async def test_the_event_tells_the_whole_story(client: house.Client) -> None:
    await client.say("own", event_id="x", status="problem", service="api", name="Odd", value=1.5)
    (event,) = await client.events("api")
    assert isinstance(event, messages.Trigger)
    assert (event.verdict, event.detail) == ("no_rule", "no rule of api matches 'Odd'")
    assert (event.value, event.commands) == ("1.5", ())
