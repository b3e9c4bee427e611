"""The script of the media type in Zabbix's own engine, its signature judged by the library of Standard Webhooks."""

import asyncio
import base64
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import standardwebhooks

from concierge_backends.zabbix import api, backend, framing, nodes, webhook
from concierge_backends.zabbix.provision import media, services
from concierge_proto import messages, settings
from tests.integration.zabbix.conftest import SECRET, Apply, Gateway, Hook, Server, Until
from tests.integration.zabbix.test_loop import load, read

INPUT = {
    "event_id": "4711",
    "event_value": "1",
    "event_update": "0",
    "event_name": 'Größe "zu" hoch ✓ 🚀 \\ \u2028 done',
    "action_id": "7",
    "sent": "2026.11.22 10:35:28",
    "secret": SECRET,
}
UNFILLED = "{EVENT.ID}"
"""What only the test button sends; problems of earlier tests may still be told, too."""


async def run(server: Server, folder: Path, **more: Any) -> tuple[int, str]:
    """Run the script outside the server; return its exit code and what it said."""
    (folder / "script.js").write_text(media.script())
    (folder / "input.json").write_text(json.dumps(INPUT | more))
    child = await asyncio.create_subprocess_exec(
        *(server.js, "-s", "script.js", "-i", "input.json", "-t", "10"),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await child.communicate()
    return child.returncode or 0, said.decode()


def verify(hook: Hook) -> Any:
    wrapped = base64.b64encode(SECRET.encode()).decode()
    return standardwebhooks.Webhook(wrapped).verify(hook.body, hook.headers)


async def test_it_signs_what_it_posts(server: Server, gateway: Gateway, tmp_path: Path) -> None:
    code, said = await run(server, tmp_path, gateway=f"{gateway.url}/webhooks/zabbix")
    hook = await gateway.next()
    tags = {"concierge.correlation": "c1", "concierge.link": f"{gateway.url}/v1/incidents/c1"}
    assert (code, json.loads(said)["tags"]) == (0, tags)
    assert verify(hook) == {name: text for name, text in INPUT.items() if name != "secret"}
    assert abs(int(hook.headers["webhook-timestamp"]) - time.time()) < 5
    assert hook.headers["content-type"] == "application/json"
    assert hook.body.isascii()
    assert SECRET.encode() not in hook.body


async def test_a_retry_has_the_same_id_and_another_step_another(
    server: Server, gateway: Gateway, tmp_path: Path
) -> None:
    ids = []
    for sent in ("2026.11.22 10:35:28", "2026.11.22 10:35:28", "2026.11.22 10:36:28"):
        await run(server, tmp_path, gateway=gateway.url, sent=sent)
        ids.append((await gateway.next()).headers["webhook-id"])
    assert ids[0] == ids[1] == "zabbix-4711-1-0-7-2026-11-22-10-35-28"
    assert ids[2] != ids[0]


async def test_what_is_posted_is_what_the_reader_reads(
    server: Server, gateway: Gateway, tmp_path: Path
) -> None:
    await run(server, tmp_path, gateway=gateway.url)
    (found,) = webhook.read((await gateway.next()).body, "zabbix", datetime.now(UTC))
    assert (found.event_id, found.name) == ("4711", INPUT["event_name"])


async def test_a_refusal_is_an_error_that_zabbix_tries_again(server: Server, tmp_path: Path) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 503 Unavailable\r\nContent-Length: 9\r\n\r\nnot\r\nnow!")
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(refuse, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    code, said = await run(server, tmp_path, gateway=url)
    listening.close()
    assert code != 0
    assert "Concierge answered 503: not now!" in said


async def press_test(server: Server, door: api.Api, **filled: str) -> dict[str, Any]:
    """Do as the Test button of the front end does: the server runs the script with the parameters of the form."""
    (found,) = await door.call("mediatype.get", {"filter": {"name": media.NAME}})
    form = {pair["name"]: pair["value"] for pair in found["parameters"]} | filled
    request = {
        "request": "alert.send",
        "sid": door._session._ZabbixAPI__session_id,
        "data": {"mediatypeid": found["mediatypeid"], "parameters": form},
    }
    line = nodes.Nodes([server.trapper], 30)
    answer = await line.exchange([server.trapper], framing.pack(json.dumps(request).encode()))
    return dict(json.loads(answer))


async def test_the_test_button_is_told_what_to_fill_in(
    server: Server, door: api.Api, apply: Apply, gateway: Gateway
) -> None:
    await apply(gateway.url)
    answer = await press_test(server, door)
    assert answer["response"] == "failed", answer
    assert "Zabbix fills in macros for real alerts only" in answer["info"]
    assert (
        'write the secret itself, as it stands in the secret_file of the gateway, into the field "secret"'
        in (answer["info"])
    )
    assert not gateway.heard(UNFILLED)


async def test_with_the_secret_filled_in_the_test_is_a_test(
    server: Server, door: api.Api, apply: Apply, gateway: Gateway
) -> None:
    await apply(gateway.url)
    answer = await press_test(server, door, secret=SECRET)
    hook = await gateway.next(UNFILLED)
    (found,) = webhook.read(hook.body, "zabbix", datetime.now(UTC))
    assert (found.verdict, found.name, found.service) == ("test", "Test of the media type", "")
    assert verify(hook)
    assert answer["response"] == "success", answer


async def test_one_problem_from_its_webhook_to_its_closing_by_hand(
    door: api.Api, ready: Apply, config: settings.Settings, service: str, gateway: Gateway, until: Until
) -> None:
    """The event gets the incident and a link; an update is no step; a closing by hand, told twice, is one end."""
    await ready(gateway.url)
    async with backend.open(config) as system:
        await system.aggregates(load(service, 5.0))
        problem = read(await gateway.next(service))

    async def tags() -> dict[str, str]:
        (event,) = await door.call("event.get", {"eventids": [problem.event_id], "selectTags": "extend"})
        found = {pair["tag"]: pair["value"] for pair in event["tags"]}
        return found if "concierge.link" in found else {}

    async def told(*wanted: tuple[str, str]) -> list[messages.Trigger]:
        """The webhooks of these statuses and verdicts, in either order; steps may come between."""
        found: list[messages.Trigger] = []
        while not {*wanted} <= {(one.status, one.verdict) for one in found}:
            found.append(read(await gateway.next(service, 60)))
        return [one for one in found if (one.status, one.verdict) in wanted]

    found = await until(tags)
    assert found["concierge.correlation"] == "c1"
    assert found["concierge.link"] == f"{gateway.url}/v1/incidents/c1"

    said = {"eventids": [problem.event_id], "message": "looking into it", "severity": 5}
    await door.call("event.acknowledge", said | {"action": 4 | 8})
    (update,) = await told(("problem", "update"))
    await door.call("event.acknowledge", {"eventids": [problem.event_id], "action": 1})
    ends = await told(("resolved", "update"), ("resolved", ""))
    everything = [problem, update, *ends]
    assert (update.severity, len(ends)) == (5, 2)
    assert {one.correlation_id for one in everything} == {problem.correlation_id}
    assert len({one.id for one in everything}) == len(everything), "none may take another's place"


async def test_all_attempts_are_over_before_the_next_step(door: api.Api, apply: Apply) -> None:
    await apply()
    (found,) = await door.call("mediatype.get", {"filter": {"name": media.NAME}})
    attempts, pause, limit = (
        int(found[field].rstrip("s")) for field in ("maxattempts", "attempt_interval", "timeout")
    )
    assert attempts * limit + (attempts - 1) * pause < services.LEAST_STEP
    assert (found["maxsessions"], found["process_tags"]) == ("0", "1")
