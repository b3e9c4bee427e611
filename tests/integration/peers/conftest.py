"""Variables of ``python3 -m tests.peers run``; without them a test is skipped with the reason, or fails on CI."""

import os
from collections.abc import Callable

import pytest

Peer = Callable[[str], str]


@pytest.fixture
def peer() -> Peer:
    def variable(name: str) -> str:
        if name in os.environ:
            return os.environ[name]
        reason = (
            os.environ.get("PEER_MISSING")
            or "run under: python3 -m tests.peers run docker zabbix prometheus -- …"
        )
        if os.environ.get("CI") == "true":
            pytest.fail(f"{name} is not set ({reason})")
        pytest.skip(f"{name} is not set ({reason})")

    return variable
