"""A real Zabbix server, a service of this test's own on it, and a gateway that keeps what it is sent."""

import asyncio
import contextlib
import json
import os
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from concierge_backends.zabbix import api, names, provision
from concierge_proto import settings
from tests import peer, synced

SECRET = "0123456789abcdef" * 2
PING_TOKEN = "open-sesame"


class Server(NamedTuple):
    """One version of Zabbix."""

    url: str
    trapper: str
    login: api.Login
    js: str


class Hook(NamedTuple):
    """One webhook, and when it came (monotonic)."""

    headers: dict[str, str]
    body: bytes
    at: float


class Gateway(NamedTuple):
    """Where webhooks go."""

    url: str
    hooks: "asyncio.Queue[Hook]"

    async def next(self, about: str = "", seconds: float = 30) -> Hook:
        """The next one about a service: the problems of earlier tests go on stepping."""
        async with asyncio.timeout(seconds):
            while about.encode() not in (hook := await self.hooks.get()).body:
                pass
            return hook

    def heard(self, about: str) -> bool:
        """Whether one about this has come, and nobody has asked for it."""
        return any(about.encode() in hook.body for hook in self.hooks._queue)  # type: ignore[attr-defined]


@pytest.fixture(params=["PEER_ZABBIX", "PEER_ZABBIX60"])
def server(request: pytest.FixtureRequest) -> Server:
    """Zabbix 7.0, and 6.0."""
    prefix = request.param
    peer.need("zabbix60" if prefix == "PEER_ZABBIX60" else "zabbix")
    found = {name: os.environ[f"{prefix}_{name}"] for name in ("API", "TRAPPER", "USER", "PASSWORD", "JS")}
    login = api.Login(user=found["USER"], password=found["PASSWORD"])
    return Server(found["API"], found["TRAPPER"], login, found["JS"])


@pytest.fixture
async def door(server: Server) -> AsyncIterator[api.Api]:
    """A super admin's session."""
    async with api.connect(server.url, server.login) as found:
        yield found


@pytest.fixture
async def token(door: api.Api, tmp_path: Path) -> Path:
    """A file with an API token."""
    me = await door.call("user.get", {"filter": {"username": ["Admin"]}})
    made = await door.call("token.create", {"name": secrets.token_hex(4), "userid": me[0]["userid"]})
    (generated,) = await door.call("token.generate", made["tokenids"])
    file = tmp_path / "token"
    file.write_text(generated["token"])
    return file


@pytest.fixture
def config(server: Server, token: Path, tmp_path: Path) -> settings.Settings:
    """A service that nobody else on this server has: high load scales it out."""
    (ping := tmp_path / "ping").write_text(PING_TOKEN)
    service = f"t{secrets.token_hex(4)}"
    threshold = {"name": f"High load of {service}", "metric": "gauge[load,value]", "severity": 4}
    return settings.parse(
        {
            "monitoring": {
                "backends": ["zabbix"],
                "zabbix": {
                    "servers": [server.trapper],
                    "api_url": server.url,
                    "api_token_file": str(token),
                    "instance_host": f"{service}.{{instance}}",
                },
            },
            "gateway": {"sources": {"zabbix": {"kind": "zabbix"}}, "ping_token_file": str(ping)},
            "targets": {"shop": {"kind": "compose", "project": "shop"}},
            "services": {
                service: {
                    "target": "shop",
                    "max": 5,
                    "triggers": [{**threshold, "above": 4.0, "recovers": 2.0, "action": "scale_out 1"}],
                }
            },
        },
        "test",
    )


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    """An HTTP server on loopback that stores webhooks and answers 202, as ours does."""
    hooks: asyncio.Queue[Hook] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:-2]
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head)}
            body = await reader.readexactly(int(headers["content-length"]))
            hooks.put_nowait(Hook(headers, body, time.monotonic()))
            answer = json.dumps({"id": "1", "tags": {"concierge.correlation": "c1"}}).encode()
            writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer)
            await writer.drain()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield Gateway(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", hooks)
    listening.close()


Apply = Callable[..., Awaitable[list[provision.Change]]]


@pytest.fixture
def apply(server: Server, config: settings.Settings) -> Apply:
    """`concierge zabbix apply` for this test's service."""

    async def applied(gateway_url: str = "http://127.0.0.1:9", **more: Any) -> list[provision.Change]:
        return await provision.apply(
            config,
            user=server.login.user,
            password=server.login.password,
            gateway_url=gateway_url,
            **{"secret": SECRET, **more},
        )

    return applied


@pytest.fixture
def service(config: settings.Settings) -> str:
    return next(iter(config.services))


Until = Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]


@pytest.fixture
def until() -> Until:
    """Ask Zabbix, which tells nobody of itself, until the answer is not empty."""

    async def asked(question: Callable[[], Awaitable[Any]]) -> Any:
        async with asyncio.timeout(100):
            while not (found := await question()):
                await asyncio.sleep(0.1)
            return found

    return asked


Settle = Callable[[str], Awaitable[None]]


@pytest.fixture
def settle(door: api.Api, server: Server) -> Settle:
    """Wait until the server works with what was applied."""
    return lambda host: synced.synced(door, server.trapper, host)


@pytest.fixture
def ready(apply: Apply, config: settings.Settings, service: str, settle: Settle) -> Apply:
    """`apply`, and wait until the server works with it."""

    async def applied(*given: str) -> list[provision.Change]:
        changes = await apply(*given)
        await settle(names.service_host(config, service))
        return changes

    return applied
