"""NATS is killed in the middle of a change, and stays away longer than anything on it lives: leases 8 s, presence 30 s."""

import asyncio
from pathlib import Path

import pytest

from tests.loop import crash, paper, verdict
from tests.peers import process

AWAY = 31.0
"""Seconds."""


@pytest.mark.timeout(300)
async def test_nats_is_away_longer_than_what_expires(tmp_path: Path) -> None:
    server, port, folder = crash.Server(tmp_path, AWAY), process.free_port(), tmp_path / "paper"
    place, services = {"paper": f'kind = "process"\ndirectory = "{folder}"'}, {"web": "paper", "api": "paper"}
    config = crash.written(tmp_path / "concierge.toml", server.url, port, place, services)
    gateway, scheduler = (
        crash.Part(f"concierge_{name}", config, tmp_path / name) for name in ("gateway", "scheduler")
    )
    for name in services:
        paper.begin(folder, name)
    async with crash.running(server):
        await server.up()
        async with crash.linked(server.url) as link, crash.running(gateway, scheduler):
            await verdict.attended(link, services)
            scheduler.kill_at(f"docker:before:1:{server.pid}")
            await verdict.send(port, "web", 1)
            while not scheduler.obeyed:
                await asyncio.sleep(0.05)
            await verdict.send(port, "api", 2)  # while it is away: repeated until it is taken
            await verdict.prove(link, folder, "web", 1)
            await verdict.prove(link, folder, "api", 2)
    assert server.lives == 2, "it died once"
    assert "the lease is lost" in scheduler.log
