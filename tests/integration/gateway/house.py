"""A gateway on a free port, with a source of each kind, and a client that signs."""

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import msgspec
from nats.js import api

from concierge_backends import port
from concierge_gateway import run
from concierge_proto import bus, codec, messages, settings, signature

KEY = "the key of the tests, long enough"
TOKEN = "the-token-of-the-tests"


def configuration(folder: Path, **gateway: Any) -> settings.Settings:
    """Settings with every kind of source, and two services on one target."""
    (folder / "key").write_text(f"{KEY}\nanother key\n".replace(" ", "-"))
    (folder / "token").write_text(TOKEN)
    for name in ("ann", "bob", "eve"):
        (folder / name).write_text(f"token-of-{name}")
    tree = {
        "targets": {"shop": {"kind": "compose", "project": "shop"}},
        "services": {
            "web": {
                "target": "shop",
                "max": 9,
                "rules": [{"trigger": "High load*", "action": "scale_out 1"}],
            },
            "api": {"target": "shop", "max": 9},
        },
        "gateway": {
            "listen": "127.0.0.1:0",
            "sources": {
                "zabbix": {"kind": "zabbix", "secret_file": str(folder / "key"), "rate": 1000},
                "am": {"kind": "alertmanager", "token_file": str(folder / "token"), "rate": 1000},
                "grafana": {"kind": "grafana", "token_file": str(folder / "token")},
                "other": {
                    "kind": "generic",
                    "token_file": str(folder / "token"),
                    "fields": {
                        "event_id": "monitor.id",
                        "status": "monitor.state",
                        "service": "=web",
                        "action": "monitor.todo",
                    },
                },
                "own": {"kind": "generic", "secret_file": str(folder / "key"), "rate": 1000},
                "slow": {"kind": "generic", "secret_file": str(folder / "key"), "rate": 0.01},
                "slow-am": {"kind": "alertmanager", "token_file": str(folder / "token"), "rate": 0.01},
            },
            "operators": {
                "ann": {"token_file": str(folder / "ann"), "role": "operator"},
                "bob": {"token_file": str(folder / "bob")},
                "eve": {"token_file": str(folder / "eve"), "role": "operator", "services": ["api"]},
            },
            **gateway,
        },
    }
    return settings.parse(tree, "test")


class Client:
    """Posts as a source would, and looks at what is stored."""

    key = KEY.replace(" ", "-").encode()

    def __init__(self, http: httpx.AsyncClient, link: bus.Bus) -> None:
        self.http = http
        self.link = link

    async def post(self, source: str, body: bytes, headers: Mapping[str, str]) -> httpx.Response:
        given = {"content-type": "application/json", **headers}
        return await self.http.post(f"/webhooks/{source}", content=body, headers=given)

    async def say(self, source: str, **fields: Any) -> httpx.Response:
        """Post a signed JSON object."""
        body = msgspec.json.encode(fields)
        return await self.post(source, body, self.signed(body))

    async def tell(self, source: str, **fields: Any) -> httpx.Response:
        """Post a JSON object with the bearer token."""
        return await self.post(source, msgspec.json.encode(fields), {"authorization": f"Bearer {TOKEN}"})

    def signed(self, body: bytes) -> dict[str, str]:
        return signature.headers(self.key, "m-1", int(time.time()), body)

    async def commands(self) -> list[messages.Command]:
        """Every command that is stored."""
        return [codec.decode(messages.Command, found.data or b"") for found in await self.queued()]

    async def queued(self) -> list[api.RawStreamMsg]:
        """The messages of the work queue as they stand there; a second consumer may not read it."""
        js = self.link._js
        state = (await js.stream_info("COMMANDS")).state
        numbers = range(state.first_seq, state.last_seq + 1) if state.messages else ()
        return [await js.get_msg("COMMANDS", seq) for seq in numbers]

    async def events(self, service: str = "*") -> list[messages.Trigger]:
        """Every trigger that is stored, of one service or of all."""
        found = self.link.history("EVENTS", f"concierge.v1.event.{service}.trigger")
        return [delivery.read(messages.Trigger) async for delivery in found]


Serve = Callable[..., contextlib.AbstractAsyncContextManager[Client]]
"""Starts a gateway: of a link, of whom to ask for open problems, and of settings of `[gateway]`."""


@contextlib.asynccontextmanager
async def serving(
    config: settings.Settings,
    link: bus.Bus,
    problems: Mapping[str, port.Problems] | None = None,
    verify: ssl.SSLContext | bool = True,
) -> AsyncIterator[Client]:
    """Run a gateway while the context is open; yields once it is ready."""
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(run.run(config, link, listening=url, problems=problems))
    task.add_done_callback(lambda _: url.cancel())
    try:
        async with httpx.AsyncClient(base_url=await url, timeout=20, verify=verify) as http:
            await ready(http)
            yield Client(http, link)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def ready(http: httpx.AsyncClient) -> None:
    async with asyncio.timeout(20):
        while (await http.get("/readyz")).status_code != 200:
            await asyncio.sleep(0.01)
