"""The level behind the edges: what is open in Zabbix now."""

from datetime import UTC, datetime
from typing import Any

from concierge_backends import trigger
from concierge_backends.zabbix import api, webhook
from concierge_proto import errors, messages, settings

OURS = {"tag": "concierge", "value": "service", "operator": 1}
"""Every problem of a service's host carries its host's tag."""
ACTION = "concierge.action"
"""The tag of a trigger that says what its webhook's subject would."""

SUPPRESSED = "suppressed"
"""The verdict on a problem in maintenance: the gateway does nothing about it, and keeps it open."""


async def read(
    door: api.Api, source: str, now: datetime, config: settings.Settings
) -> list[messages.Trigger]:
    """Return open problems of monitored triggers; one that is suppressed says so, and asks for nothing.

    `problem.get` alone lists those of disabled triggers and hosts for ever. One in maintenance is not over: Zabbix
    goes on with its steps afterwards. Raises Temporary, Permanent: also when nothing can be seen at all, which would
    look like the end of every problem.
    """
    found = await door.call(
        "problem.get",
        {
            "output": ["eventid", "objectid", "name", "severity", "clock", "suppressed"],
            "selectTags": "extend",
            "tags": [OURS],
        },
    )
    if not found:
        await _sighted(door)
    alive = await _monitored(door, [problem["objectid"] for problem in found])
    own = config.monitoring.zabbix
    return [
        _trigger(problem, alive[problem["objectid"]], source, now, own)
        for problem in found
        if problem["objectid"] in alive
    ]


async def _sighted(door: api.Api) -> None:
    if not int(await door.call("host.get", {"countOutput": True})):
        raise errors.Permanent(
            "the API user sees no host: give one of its user groups read access to the host groups of the services"
        )


async def _monitored(door: api.Api, ids: list[str]) -> dict[str, Any]:
    if not ids:
        return {}
    found: dict[str, Any] = await door.call(
        "trigger.get",
        {
            "triggerids": ids,
            "monitored": True,
            "output": ["triggerid"],
            "selectHosts": ["host"],
            "selectItems": ["lastvalue"],
            "preservekeys": True,
        },
    )
    return dict(found)


def _trigger(
    problem: dict[str, Any], behind: dict[str, Any], source: str, now: datetime, own: settings.Zabbix
) -> messages.Trigger:
    """The same event id, and so the same incident, as the problem's webhooks."""
    event_id, tags = problem["eventid"], {pair["tag"]: pair["value"] for pair in reversed(problem["tags"])}
    host = behind["hosts"][0]["host"] if behind["hosts"] else ""
    return trigger.make(
        source,
        event_id,
        "problem",
        "",
        service=tags.get("service") or webhook.service_of(host, own.service_host),
        name=problem["name"],
        severity=webhook.severity(problem["severity"]),
        tags=tags,
        value=behind["items"][0]["lastvalue"] if behind["items"] else "",
        action=tags.get(ACTION, ""),
        url=event_url(own.api_url, problem["objectid"], event_id),
        started_at=datetime.fromtimestamp(int(problem["clock"]), UTC),
        received_at=now,
        verdict=SUPPRESSED if problem["suppressed"] == "1" else "",
    )


def event_url(front_end: str, trigger_id: str, event_id: str) -> str:
    """Return the page of an event; "" without the front end's address."""
    if not front_end:
        return ""
    return f"{front_end.rstrip('/')}/tr_events.php?triggerid={trigger_id}&eventid={event_id}"
