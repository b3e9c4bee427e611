"""The forgery and replay matrix, and garbage: never 5xx, never accepted, always a sentence."""

import asyncio
import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from concierge_proto import bus, signature
from tests.integration.gateway import house
from tests.unit import golden

BODY = msgspec.json.encode({"event_id": "e", "status": "problem", "service": "web", "action": "scale_out 1"})
KEY = house.Client.key
PAGE = Path(__file__).parents[3] / "docs" / "security.md"

Headers = dict[str, str]


def signed(body: bytes = BODY, *, drift: int = 0, key: bytes = KEY, message_id: str = "m") -> Headers:
    return signature.headers(key, message_id, int(time.time()) + drift, body)


def without(name: str) -> Headers:
    return {key: value for key, value in signed().items() if key != name}


FORGERIES: dict[str, Callable[[], Headers]] = {
    "nothing": dict,
    "no id": lambda: without("webhook-id"),
    "no timestamp": lambda: without("webhook-timestamp"),
    "no signature": lambda: without("webhook-signature"),
    "empty signature": lambda: signed() | {"webhook-signature": ""},
    "another key": lambda: signed(key=b"not the key"),
    "another body": lambda: signed(BODY + b" "),
    "another id": lambda: signed() | {"webhook-id": "n"},
    "another time": lambda: signed() | {"webhook-timestamp": str(int(time.time()) + 1)},
    "old": lambda: signed(drift=-301),
    "very old": lambda: signed(drift=-(10**8)),
    "from the future": lambda: signed(drift=302),
    "time with a sign": lambda: signed() | {"webhook-timestamp": "-1"},
    "time with a fraction": lambda: signed() | {"webhook-timestamp": f"{time.time()}"},
    "endless time": lambda: signed() | {"webhook-timestamp": "9" * 5000},
    "time in words": lambda: signed() | {"webhook-timestamp": "now"},
    "no version": lambda: signed() | {"webhook-signature": signed()["webhook-signature"][3:]},
    "another version": lambda: signed() | {"webhook-signature": "v2" + signed()["webhook-signature"][2:]},
    "two commas": lambda: signed() | {"webhook-signature": "v1,,"},
    "no comma": lambda: signed() | {"webhook-signature": "v1"},
    "no base64": lambda: signed() | {"webhook-signature": "v1,!!!"},
    "cut short": lambda: signed() | {"webhook-signature": signed()["webhook-signature"][:-4]},
    "in hex": lambda: signed() | {"webhook-signature": "v1," + "ab" * 32},
    "a thousand wrong ones": lambda: signed() | {"webhook-signature": ("v1,AAAA " * 1000).strip()},
    "a token where keys are": lambda: {"authorization": f"Bearer {house.TOKEN}"},
}


async def test_forgeries_of_a_signature(client: house.Client) -> None:
    rows = []
    for name, make in FORGERIES.items():
        answer = await client.post("own", BODY, make())
        assert answer.status_code == 401, (name, answer.text)
        assert answer.json()["decision"] == "refused", name
        assert len(answer.json()["reason"]) > 10, name
        assert KEY.decode() not in answer.text, name
        rows.append(
            f"| {name} | {answer.status_code} {re.sub(r' [0-9]+ s off', ' N s off', answer.json()['reason'])} |"
        )
    assert await client.events() == []
    assert await client.commands() == []
    table = ["| tried | answer |", "|---|---|", *rows]
    made = with_table("\n".join(table)).encode()
    assert golden.pinned(PAGE, made) == made


def with_table(table: str) -> str:
    """Return the page with the table in its place."""
    before, mark, rest = PAGE.read_text("utf-8").partition("with REGENERATE=1 -->\n")
    return f"{before}{mark}{table}\n{rest[rest.index('<!-- end -->') :]}"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer",
        "Bearer wrong",
        "Bearer " + house.TOKEN[:-1],
        "Basic dXNlcjpwYXNz",
        house.TOKEN,
        "Bearer " + "x" * 9000,
    ],
)
async def test_forgeries_of_a_token(client: house.Client, value: str) -> None:
    answer = await client.post("am", b'{"alerts": []}', {"authorization": value} if value else {})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["reason"].startswith("header authorization")


async def test_a_replay_is_not_a_second_command(client: house.Client) -> None:
    headers = signed()
    first, second = [await client.post("own", BODY, headers) for _ in range(2)]
    assert first.json()["decision"] == "command"
    assert second.json()["decision"] == "duplicate"
    elsewhere = await client.post("zabbix", BODY, headers)  # the same key, but not the same words
    assert elsewhere.status_code == 400
    assert len(await client.commands()) == 1


async def test_both_keys_of_a_rotation_are_believed(client: house.Client) -> None:
    for key, event_id in ((KEY, "1"), (b"another-key", "2")):
        body = msgspec.json.encode({"event_id": event_id, "status": "problem", "service": "web"})
        assert (await client.post("own", body, signed(body, key=key))).status_code == 202
    both = signed()["webhook-signature"] + " " + signed(key=b"retired")["webhook-signature"]
    assert (await client.post("own", BODY, signed() | {"webhook-signature": both})).status_code == 202


GARBAGE: dict[str, bytes] = {
    "nothing": b"",
    "a word": b"hello",
    "a number": b"17",
    "null": b"null",
    "a list": b"[]",
    "not UTF-8": b'{"event_id": "\xff\xfe"}',
    "a lone surrogate": b'{"event_id": "\\ud800", "status": "problem"}',
    "cut off": BODY[:-1],
    "two of them": BODY + BODY,
    "deep": b"[" * 100_000,
    "deep inside": b'{"tags": ' + b'{"a":' * 50_000,
    "a byte order mark": b"\xef\xbb\xbf" + BODY,
    "UTF-16": BODY.decode().encode("utf-16"),
    "no number": b'{"severity": NaN}',
    "a huge number": b'{"severity": ' + b"9" * 5000 + b"}",
    "zeros": b"\x00" * 1000,
    "another type": b'{"event_id": {}, "event_value": [], "alerts": 7}',
    "alerts of another type": b'{"version": "4", "alerts": [1, null, "x", []]}',
    "an empty alert": b'{"version": "4", "alerts": [{}]}',
}


async def test_garbage_that_is_signed(client: house.Client) -> None:
    for source in ("own", "zabbix", "am"):
        for name, body in GARBAGE.items():
            proof = {"authorization": f"Bearer {house.TOKEN}"} if source == "am" else signed(body)
            answer = await client.post(source, body, proof)
            assert answer.status_code == 400, (source, name, answer.text)
            assert answer.json()["decision"] == "refused", (source, name)
            assert 10 < len(answer.json()["reason"]) < 600, (source, name, answer.text)
    assert await client.commands() == []


async def test_a_wrong_field_is_named(client: house.Client) -> None:
    for field, value in (("status", "open"), ("severity", 9), ("event_id", ""), ("started_at", "yesterday")):
        answer = await client.say("own", **{"event_id": "e", "status": "problem", field: value})
        assert answer.status_code == 400
        assert field in answer.json()["reason"]


async def test_what_is_not_read_at_all(link: bus.Bus, serve: house.Serve) -> None:
    async with serve(link, max_body="1k") as client:
        large = b'{"x": "' + b"x" * 1100 + b'"}'
        assert (await client.post("own", large, signed(large))).status_code == 413
        assert (await client.post("own", BODY, signed() | {"content-type": "text/plain"})).status_code == 415
        assert (await client.post("nobody", BODY, signed())).status_code == 404
        assert (await client.post("own", BODY, signed())).status_code == 202


async def test_unusual_requests_get_an_answer_in_our_words(client: house.Client) -> None:
    for method, path, status in (
        ("GET", "/webhooks/own", 405),
        ("DELETE", "/webhooks/own", 405),
        ("POST", "/webhooks/", 404),
        ("POST", "/webhooks/own/more", 404),
        ("POST", "/webhooks/%2e%2e%2fetc", 404),
        ("POST", "/webhooks/%ff%00", 404),
        ("GET", "/nothing", 404),
    ):
        answer = await client.http.request(
            method, path, content=BODY, headers={"content-type": "application/json"}
        )
        assert answer.status_code == status, path
        assert set(answer.json()) == {"decision", "reason"}, path


async def raw(client: house.Client, request: bytes) -> tuple[int, dict[str, str]]:
    """Send bytes as they are and return status and body of the answer."""
    reader, writer = await asyncio.open_connection(client.http.base_url.host, client.http.base_url.port)
    writer.write(request)
    async with asyncio.timeout(15):
        head = await reader.readuntil(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().lower().split("\r\n")[1:] if line)
        body = await reader.readexactly(int(fields["content-length"]))
    writer.close()
    return int(head.split()[1]), json.loads(body) if body.startswith(b"{") else {}


def head(*lines: str, source: str = "own") -> bytes:
    fixed = [f"POST /webhooks/{source} HTTP/1.1", "host: x", "content-type: application/json"]
    return "\r\n".join([*fixed, *lines, "", ""]).encode()


async def test_headers_that_stand_twice(client: house.Client) -> None:
    lines = [f"{name}: {value}" for name, value in signed().items()]
    for name in ("webhook-id", "webhook-signature", "webhook-timestamp", "content-type"):
        twice = next((line for line in lines if line.startswith(name)), "content-type: application/json")
        status, body = await raw(client, head(*lines, twice, f"content-length: {len(BODY)}") + BODY)
        assert (status, body["reason"]) == (400, f"header {name} stands twice")


async def test_an_endless_body_is_cut_off(link: bus.Bus, serve: house.Serve) -> None:
    async with serve(link, max_body="1k") as client:
        chunk = b"400\r\n" + b"x" * 1024 + b"\r\n"
        status, body = await raw(client, head("transfer-encoding: chunked") + chunk * 2)
        assert (status, body["reason"]) == (413, "the body is larger than gateway.max_body = 1,024 bytes")
        status, _ = await raw(client, head(f"content-length: {10**15}"))
        assert status == 413


async def test_a_body_that_never_comes(client: house.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("concierge_gateway.intake.PATIENCE", 0.2)
    status, body = await raw(client, head("content-length: 10") + b"{")
    assert (status, body["reason"]) == (408, "the body took longer than 0.2 s")


async def test_too_often(client: house.Client) -> None:
    for source, status in (("slow", 429), ("slow-am", 503)):
        send = client.tell if source == "slow-am" else client.say
        first = await send(source, version="4", alerts=[], event_id="e", status="firing")
        assert first.status_code in {202, 400}, first.text
        answer = await send(source, version="4", alerts=[], event_id="e", status="firing")
        assert answer.status_code == status
        assert int(answer.headers["retry-after"]) > 90
        assert answer.json()["decision"] == "unavailable"
        assert "passes its rate of 0.01/s" in answer.json()["reason"]


async def test_strangers_use_up_nobodys_rate(client: house.Client) -> None:
    for _ in range(5):
        assert (await client.post("slow", BODY, {})).status_code == 401
    assert (await client.post("slow", BODY, signed())).status_code == 202


async def test_an_endless_head_is_cut_off(client: house.Client) -> None:
    reader, writer = await asyncio.open_connection(client.http.base_url.host, client.http.base_url.port)
    writer.write(b"POST /webhooks/own HTTP/1.1\r\n" + b"x-more: " + b"y" * 40_000)
    async with asyncio.timeout(10):
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 400")
    assert answer.endswith(b"The head of the request is longer than 32,768 bytes.")
    writer.close()


@pytest.mark.parametrize("first", [b"", b"POST /webhooks/own HTTP/1.1\r\nhost"])
async def test_a_head_that_never_ends_is_given_up(
    client: house.Client, monkeypatch: pytest.MonkeyPatch, first: bytes
) -> None:
    monkeypatch.setattr("concierge_gateway.protocol.HEAD_PATIENCE", 0.1)
    reader, writer = await asyncio.open_connection(client.http.base_url.host, client.http.base_url.port)
    writer.write(first)
    async with asyncio.timeout(10):
        assert await reader.read() == b""
    writer.close()


async def test_nor_behind_a_request_that_was_whole(
    client: house.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("concierge_gateway.protocol.HEAD_PATIENCE", 0.1)
    reader, writer = await asyncio.open_connection(client.http.base_url.host, client.http.base_url.port)
    whole = b"GET /healthz HTTP/1.1\r\nhost: here\r\n\r\n"
    writer.write(whole + b"POST /webhooks/own HTTP/1.1\r\nhost")
    async with asyncio.timeout(10):
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 200")
    writer.close()


async def test_a_large_body_is_no_large_head(client: house.Client) -> None:
    body = msgspec.json.encode({"event_id": "e", "status": "problem", "tags": {"t": "x" * 500_000}})
    for _ in range(2):
        assert (await client.post("own", body, signed(body))).status_code == 202


async def test_a_crowd_is_asked_to_come_again(client: house.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("concierge_gateway.webhooks.CROWD", 0)
    answer = await client.post("own", BODY, signed())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
