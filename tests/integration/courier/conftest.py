"""Fixtures: a courier beside this test's nats-server, and a nats-server that comes and goes."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from tests.integration.courier import scene


@pytest.fixture
def run(nats_url: str) -> scene.Run:
    """Return what starts one as web-1 of the service web, ten times a second."""

    def start(*words: str, **environ: str) -> AbstractAsyncContextManager[scene.Courier]:
        us = ("run", "--service", "web", "--instance", "web-1", "--nats", nats_url, "--interval", "100ms")
        return scene.courier(*us, *words, **environ)

    return start


@pytest.fixture
async def server(tmp_path: Path, unused_tcp_port: int) -> AsyncIterator[scene.Server]:
    """Not started yet."""
    made = scene.Server(tmp_path / "server", unused_tcp_port)
    yield made
    await made.stop()
