"""What a probe, an operator and a supervisor see."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import httpx
import pytest

from concierge_gateway import openapi, run
from concierge_proto import bus, errors, settings
from tests.integration.gateway import house


async def test_probes(client: house.Client) -> None:
    assert (await client.http.get("/healthz")).text == "ok\n"
    assert (await client.http.get("/readyz")).text == "ready\n"
    about = (await client.http.get("/")).text
    assert "POST /webhooks/<source>   sources: zabbix, am, grafana, other, own" in about


async def test_metrics_count_by_source_and_outcome(client: house.Client) -> None:
    async def value(name: str) -> float:
        lines = (await client.http.get("/metrics")).text.splitlines()
        return next((float(line.split()[-1]) for line in lines if line.startswith(name)), 0.0)

    accepted = 'concierge_gateway_requests_total{outcome="202",source="own"}'
    strangers = 'concierge_gateway_requests_total{outcome="404",source="_"}'
    commands = 'concierge_gateway_commands_total{service="web",verb="scale_to"}'
    names = (accepted, strangers, commands, "concierge_gateway_request_seconds_count")
    before = [await value(name) for name in names]
    for _ in range(2):
        await client.say("own", event_id="m", status="problem", service="web", action="scale_to 4")
    await client.say("nobody")
    after = [await value(name) for name in names]
    assert [b - a for a, b in zip(before, after, strict=True)] == [2, 1, 1, 3]


async def test_the_contract(client: house.Client) -> None:
    contract = (await client.http.get("/openapi.json")).json()
    post = contract["paths"]["/webhooks/{source}"]["post"]
    assert set(post["responses"]) == {str(status) for status in openapi.RESPONSES}
    assert set(post["requestBody"]["content"]["application/json"]["examples"]) == {
        "zabbix",
        "alertmanager",
        "grafana",
        "generic",
    }
    assert {"/healthz", "/readyz", "/metrics"} <= set(contract["paths"])


async def test_no_sources_is_said_and_served(
    link: bus.Bus, serve: house.Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(link, sources={}) as client:
        assert (await client.http.get("/healthz")).status_code == 200
        assert "none yet" in (await client.http.get("/")).text
        assert (await client.say("own")).status_code == 404
    assert "no sources" in caplog.text


@pytest.mark.parametrize(
    ("gateway", "complaint"),
    [
        (
            {"sources": {"z": {"kind": "zabbix", "secret_file": "/none"}}},
            r"gateway\.sources\.z\.secret_file: cannot read /none",
        ),
        ({"sources": {"z": {"kind": "zabbix"}}}, r"gateway\.sources\.z: set secret_file"),
        ({"listen": "8080"}, r"listen = '8080': write host:port"),
        ({"listen": "256.0.0.1:0"}, r"gateway\.listen: cannot listen on 256\.0\.0\.1:0"),
    ],
)
async def test_what_cannot_be_served_is_named(
    link: bus.Bus, serve: house.Serve, gateway: dict[str, object], complaint: str
) -> None:
    with pytest.raises(errors.Permanent, match=complaint):
        async with serve(link, **gateway):
            pytest.fail("it started")


async def test_a_port_that_is_taken(client: house.Client, serve: house.Serve) -> None:
    taken = f"127.0.0.1:{client.http.base_url.port}"
    with pytest.raises(errors.Permanent, match=r"cannot listen on .*in use"):
        async with serve(client.link, listen=taken):
            pytest.fail("it started")


async def test_secrets_without_files(link: bus.Bus, tmp_path: Path) -> None:
    tree = {"gateway": {"listen": "127.0.0.1:0", "sources": {"embedded": {"kind": "generic"}}}}
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    given = {"embedded": [house.Client.key.decode()]}
    task = asyncio.create_task(run.run(settings.parse(tree, "test"), link, secrets=given, listening=url))
    async with httpx.AsyncClient(base_url=await url) as http:
        await house.ready(http)
        answer = await house.Client(http, link).say("embedded", event_id="e", status="problem", service="web")
        assert answer.json()["decision"] == "unknown_service"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_cancelled_it_ends_at_once_and_frees_its_port(link: bus.Bus, tmp_path: Path) -> None:
    async with house.serving(house.configuration(tmp_path), link, {}) as client:
        number = client.http.base_url.port
        began = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - began < 3
    with pytest.raises(OSError, match=r"refused|Connect"):
        await asyncio.open_connection("127.0.0.1", number)


async def start(*arguments: str, **environ: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "concierge_gateway",
        *arguments,
        env={**os.environ, **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_alone_it_serves_until_it_is_told_to_stop(nats_url: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("a-key-of-this-test")
    file = tmp_path / "concierge.toml"
    file.write_text(
        f'[nats]\nurl = "{nats_url}"\n[gateway]\nlisten = "127.0.0.1:0"\n'
        f'[gateway.sources.own]\nkind = "generic"\nsecret_file = "{tmp_path / "key"}"\n'
    )
    child = await start("--config", str(file))
    assert child.stderr is not None
    async with asyncio.timeout(30):
        while b"gateway listens on" not in (line := await child.stderr.readline()):
            assert line, "it ended"
        async with httpx.AsyncClient(base_url=line.split()[-1].decode()) as http:
            await house.ready(http)
        child.send_signal(signal.SIGTERM)
        _, rest = await child.communicate()
    assert child.returncode == 0, rest
    assert b"Traceback" not in rest


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", b"nats.url is not set"),
        ("[gateway]\nlissten = 1\n", b"lissten"),
        (
            '[nats]\nurl = "URL"\n[gateway.sources.z]\nkind = "zabbix"\nsecret_file = "/none"\n',
            b"gateway.sources.z.secret_file: cannot read /none",
        ),
    ],
    ids=["no bus", "unknown key", "unreadable secret"],
)
async def test_alone_it_says_in_one_sentence_why_not(
    nats_url: str, tmp_path: Path, text: str, complaint: bytes
) -> None:
    file = tmp_path / "concierge.toml"
    file.write_text(text.replace("URL", nats_url))
    child = await start("--config", str(file))
    _, said = await child.communicate()
    assert child.returncode == 2
    last = said.strip().splitlines()[-1]
    assert last.startswith(b"concierge-gateway: ")
    assert complaint in last


async def test_probes_answer_head_too(client: house.Client) -> None:
    for path in ("/healthz", "/readyz"):
        answer = await client.http.head(path)
        assert (answer.status_code, answer.content) == (200, b"")


async def test_nobody_is_sent_on_to_another_address(client: house.Client) -> None:
    answer = await client.http.post("/webhooks/own/", content=b"{}")
    assert answer.status_code == 404
    assert "location" not in answer.headers
