"""An engine that hangs on request, without hurting those who share the real one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests import gate, peer


@pytest.fixture
async def hanging(tmp_path: Path) -> AsyncIterator[gate.Gate]:
    """The real engine behind a socket that a test can freeze: `hanging.melted.clear()`."""
    host = peer.need("docker")
    if not host.startswith("unix://"):
        pytest.skip(f"only an engine on a unix socket can be frozen here, not {host}")
    async with gate.before(host.removeprefix("unix://"), str(tmp_path / "engine.sock")) as found:
        yield found
