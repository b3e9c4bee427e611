"""Rotation without a gap: the running gateway takes new secrets from their file."""

import asyncio
import time
from pathlib import Path

import httpx
import msgspec
import pytest

from concierge_proto import bus, signature
from tests.integration.gateway import house

BODY = msgspec.json.encode({"event_id": "r", "status": "problem", "service": "web", "name": "x"})


async def status(client: house.Client, key: bytes) -> int:
    return (await client.post("own", BODY, signature.headers(key, "m", int(time.time()), BODY))).status_code


async def until(client: house.Client, key: bytes, wanted: int) -> None:
    async with asyncio.timeout(30):
        while await status(client, key) != wanted:
            await asyncio.sleep(0.1)


async def test_new_secrets_count_and_old_ones_end(
    link: bus.Bus, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old, new = house.Client.key, b"the-next-key-of-the-tests"
    config = house.configuration(tmp_path)
    async with house.serving(config, link) as client:
        assert (await status(client, old), await status(client, new)) == (202, 401)
        (tmp_path / "key").write_bytes(new + b"\n" + old)
        await until(client, new, 202)
        assert await status(client, old) == 202
        (tmp_path / "key").write_bytes(b"")
        async with asyncio.timeout(30):
            while "is empty" not in caplog.text:
                await asyncio.sleep(0.1)
        assert await status(client, new) == 202, "what counted goes on counting"
        (tmp_path / "key").write_bytes(new)
        await until(client, old, 401)
        assert await status(client, new) == 202


async def ask(client: house.Client, path: str, token: str) -> httpx.Response:
    return await client.http.get(path, headers={"authorization": f"Bearer {token}"})


async def until_asked(client: house.Client, path: str, token: str, wanted: int) -> None:
    async with asyncio.timeout(30):
        while (await ask(client, path, token)).status_code != wanted:
            await asyncio.sleep(0.1)


async def test_operators_and_pingers_are_followed_too(link: bus.Bus, tmp_path: Path) -> None:
    (tmp_path / "ping").write_text("old-ping")
    config = house.configuration(tmp_path, ping_token_file=str(tmp_path / "ping"))
    services, pinged = "/v1/services", "/v1/ping/nobody/x"
    async with house.serving(config, link) as client:
        (tmp_path / "ann").write_text("new-ann\ntoken-of-ann")
        await until_asked(client, services, "new-ann", 200)
        assert (await ask(client, services, "token-of-ann")).status_code == 200
        (tmp_path / "ann").write_text("new-ann")
        (tmp_path / "bob").unlink()
        await until_asked(client, services, "token-of-ann", 401)
        assert (await ask(client, services, "token-of-bob")).status_code == 200, (
            "what counted goes on counting"
        )
        (tmp_path / "ping").write_text("new-ping")
        await until_asked(client, pinged, "new-ping", 404)
        assert (await ask(client, pinged, "old-ping")).status_code == 401
