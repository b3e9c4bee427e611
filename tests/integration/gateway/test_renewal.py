"""Rotation without a gap: the running gateway takes new secrets from their file."""

import asyncio
import time
from pathlib import Path

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
