"""The script of the media type in Zabbix's own engine, its signature judged by the library of Standard Webhooks."""

import asyncio
import base64
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import standardwebhooks

from concierge_backends.zabbix import webhook
from concierge_backends.zabbix.provision import media
from tests.integration.zabbix.conftest import SECRET, Gateway, Hook, Server

INPUT = {
    "event_id": "4711",
    "event_value": "1",
    "event_update": "0",
    "event_name": 'Größe "zu" hoch ✓ 🚀 \\ \u2028 done',
    "action_id": "7",
    "sent": "2026.11.22 10:35:28",
    "secret": SECRET,
}


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
    code, said = await run(server, tmp_path, gateway=gateway.url)
    hook = await gateway.next()
    assert (code, json.loads(said)) == (0, {"tags": {"concierge.correlation": "c1"}})
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
