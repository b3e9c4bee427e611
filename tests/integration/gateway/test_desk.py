"""The operators' HTTP API: roles, what is stored, what is read."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from concierge_gateway import api
from concierge_proto import bus, identity, messages, subjects
from tests.integration.gateway import house


async def ask(client: house.Client, who: str, method: str, path: str, **rest: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer token-of-{who}", **rest.pop("headers", {})}
    return await client.http.request(method, path, headers=headers, **rest)


async def do(client: house.Client, who: str = "ann", key: str = "", **body: Any) -> httpx.Response:
    headers = {"idempotency-key": key} if key else {}
    return await ask(client, who, "POST", "/v1/commands", json=body, headers=headers)


async def test_a_command_is_stored_as_its_operator_s(client: house.Client) -> None:
    answer = await do(client, service="web", action="scale_out 2", reason="a sale")
    assert answer.status_code == 202, answer.text
    (command,) = await client.commands()
    assert (command.verb, command.amount, command.manual) == ("scale_out", 2, True)
    assert (command.owner, command.reason) == ("ann", "a sale")
    assert answer.json() == {"command_id": command.id, "correlation_id": command.correlation_id}
    assert answer.headers["location"] == f"/v1/commands/{command.id}"


async def test_the_same_key_is_the_same_command(client: house.Client) -> None:
    answers = await asyncio.gather(
        *(do(client, service="web", action="scale_out 1", key="order 7") for _ in range(20))
    )
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == 1
    assert len(await client.commands()) == 1
    await do(client, service="web", action="scale_out 1", key="order 8")
    assert len(await client.commands()) == 2


async def test_the_same_key_swallows_no_other_order(client: house.Client) -> None:
    for body in (
        {"service": "web", "action": "scale_to 3"},
        {"service": "web", "action": "scale_to 1"},
        {"service": "api", "action": "scale_to 1"},
    ):
        await do(client, key="deploy", **body)
    for _ in range(2):
        headers = {"idempotency-key": "deploy"}
        await ask(client, "ann", "POST", "/v1/holds", json={"service": "web"}, headers=headers)
    stored = [(one.service, one.verb, one.amount) for one in await client.commands()]
    assert stored == [
        ("web", "scale_to", 3),
        ("web", "scale_to", 1),
        ("api", "scale_to", 1),
        ("web", "hold", 0),
    ]


async def test_an_incident_of_two_services_shows_each_its_own(client: house.Client) -> None:
    for service in ("web", "api"):
        told = await client.say("own", event_id="x", status="problem", service=service, step=service)
    path = f"/v1/incidents/{told.json()['correlation_id']}"
    assert len((await ask(client, "bob", "GET", path)).json()["events"]) == 2
    (only,) = (await ask(client, "eve", "GET", path)).json()["events"]
    assert only["service"] == "api"


async def test_holds(client: house.Client) -> None:
    body = {"service": "web", "for": "2h", "direction": "in", "reason": "stock-taking"}
    assert (await ask(client, "ann", "POST", "/v1/holds", json=body)).status_code == 202
    assert (await ask(client, "ann", "DELETE", "/v1/holds/web")).status_code == 202
    hold, lift = await client.commands()
    assert (hold.verb, hold.arguments["direction"], lift.verb) == ("hold", "in", "lift")
    assert datetime.fromisoformat(hold.arguments["until"]) > datetime.now(UTC)
    assert (await ask(client, "bob", "GET", "/v1/holds")).json() == {"holds": {}}
    await client.link.store("concierge_services").create("web", b'{"hold": {"direction": "in"}}')
    assert (await ask(client, "bob", "GET", "/v1/holds")).json() == {"holds": {"web": {"direction": "in"}}}


async def test_services_as_they_stand(client: house.Client) -> None:
    beat = messages.Heartbeat(service="web", instance="web-1", boot="b", time_ns=1, state=1)
    await client.link.tell(client.link.pack(subjects.heartbeat("web", "web-1"), beat, id="b"))
    await client.say("own", event_id="x", status="problem", service="web", name="High load")
    async with asyncio.timeout(30):
        while not (found := (await ask(client, "bob", "GET", "/v1/services/web")).json())["heard"]:
            await asyncio.sleep(0.05)
    assert (found["min"], found["max"], found["scheduler"], found["heard"]) == (1, 9, False, ["web-1"])
    assert found["last"]["trigger"]["verdict"] == "command"
    every = (await ask(client, "bob", "GET", "/v1/services")).json()["services"]
    assert [one["service"] for one in every] == ["web", "api"]
    assert [
        one["service"] for one in (await ask(client, "eve", "GET", "/v1/services")).json()["services"]
    ] == ["api"]


async def test_incidents_and_what_became_of_a_command(client: house.Client) -> None:
    told = (await client.say("own", event_id="x", status="problem", service="web", name="High load")).json()
    (command,) = await client.commands()
    await client.say("own", event_id="y", status="problem", service="api", name="Other")
    path = f"/v1/commands/{command.id}"
    assert (await ask(client, "bob", "GET", path)).status_code == 404
    await outcome(client.link, command)
    found = (await ask(client, "bob", "GET", path)).json()
    assert (found["settled"], found["events"][0]["after"]) == (True, 2)
    listed = (await ask(client, "bob", "GET", "/v1/incidents")).json()["incidents"]
    assert [one["name"] for one in listed] == ["Other", "High load"]
    assert listed[1]["outcomes"][0]["result"] == "converged"
    (only,) = (await ask(client, "bob", "GET", "/v1/incidents?service=web&limit=1&since=1h")).json()[
        "incidents"
    ]
    assert only["correlation_id"] == told["correlation_id"]
    whole = (await ask(client, "bob", "GET", f"/v1/incidents/{told['correlation_id'][:12]}")).json()
    assert [event["kind"] for event in whole["events"]] == ["trigger", "outcome"]
    assert [
        one["name"] for one in (await ask(client, "eve", "GET", "/v1/incidents")).json()["incidents"]
    ] == ["Other"]
    assert (await ask(client, "eve", "GET", f"/v1/incidents/{told['correlation_id']}")).status_code == 403


async def outcome(link: bus.Bus, command: messages.Command) -> None:
    now = datetime.now(UTC)
    event = messages.Outcome(
        id=identity.mint(),
        service="web",
        target="shop",
        result="converged",
        before=1,
        wanted=2,
        after=2,
        duration_ms=9,
        command_id=command.id,
        correlation_id=command.correlation_id,
        started_at=now,
        at=now,
    )
    packed = link.pack(
        subjects.event("web", "outcome"), event, id=event.id, correlation_id=command.correlation_id
    )
    await link.publish(packed)


@pytest.mark.parametrize(
    ("who", "call", "body", "status", "said"),
    [
        ("ann", "POST /v1/commands", {"service": "web", "action": "grow"}, 400, "use scale_out N"),
        ("ann", "POST /v1/commands", {"service": "wep", "action": "scale_out 1"}, 404, "no service 'wep'"),
        ("ann", "POST /v1/commands", {"service": "web"}, 400, "action"),
        ("ann", "POST /v1/commands", {"service": "web", "action": "scale_out 1", "x": 1}, 400, "`x`"),
        ("bob", "POST /v1/commands", {"service": "web", "action": "scale_out 1"}, 403, "bob is a viewer"),
        ("eve", "POST /v1/commands", {"service": "web", "action": "scale_out 1"}, 403, "eve may not look"),
        ("bob", "DELETE /v1/holds/web", None, 403, "bob is a viewer"),
        ("ann", "POST /v1/holds", {"service": "web", "for": "8d"}, 400, "between 1s and 7d"),
        ("ann", "POST /v1/holds", {"service": "web", "direction": "up"}, 400, "both, in, out"),
        ("mallory", "GET /v1/services", None, 401, "none of the active"),
        ("bob", "GET /v1/services/wep", None, 404, "no service 'wep'"),
        ("eve", "GET /v1/services/web", None, 403, "eve may not look"),
        ("bob", "GET /v1/incidents?limit=0", None, 400, "query limit"),
        ("bob", "GET /v1/incidents?since=soon", None, 400, "query since"),
        ("bob", "GET /v1/incidents?since=99999999d", None, 400, "query since: at most 3650d"),
        ("bob", "GET /v1/incidents/none", None, 404, "no incident none"),
        ("bob", "GET /v1/commands/none", None, 404, "command none"),
    ],
)
async def test_says_what_is_wrong(
    client: house.Client, who: str, call: str, body: Any, status: int, said: str
) -> None:
    method, path = call.split()
    answer = await ask(client, who, method, path, **({"json": body} if body else {}))
    assert (answer.status_code, answer.json()["decision"]) == (status, "refused")
    assert said in answer.json()["reason"]
    assert await client.commands() == []


async def test_without_a_token_nothing_is_said(client: house.Client) -> None:
    for route in api.ROUTES:
        answer = await client.http.request(route.method, route.path)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer"), route.path


async def test_without_operators_there_is_no_api(link: bus.Bus, serve: house.Serve) -> None:
    async with serve(link, operators={}) as client:
        answer = await ask(client, "ann", "GET", "/v1/services")
        assert (answer.status_code, "gateway.operators" in answer.text) == (404, True)


async def test_the_contract_names_every_route(client: house.Client) -> None:
    contract = (await client.http.get("/openapi.json")).json()
    for route in api.ROUTES:
        told = contract["paths"][route.path][route.method.lower()]
        assert "401" in told["responses"]
    wanted = contract["paths"]["/v1/commands"]["post"]["requestBody"]["content"]["application/json"]
    assert set(wanted["schema"]["properties"]) == {"service", "action", "reason"}
    assert (await do(client, **wanted["example"])).status_code == 202
