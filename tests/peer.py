"""What a test says when it needs a real server: skip on a laptop with the reason, fail where CI promises it."""

import json
import os
from typing import NoReturn

import pytest

VARIABLES = {
    "docker": "PEER_DOCKER_HOST",
    "image": "PEER_DOCKER_IMAGE",
    "swarm": "PEER_SWARM",
    "zabbix": "PEER_ZABBIX_API",
    "zabbix60": "PEER_ZABBIX60_API",
    "prometheus": "PEER_PROMETHEUS_URL",
}


def need(name: str) -> str:
    """Return the peer's address (see tests/peers/README.md), or skip, or with CI=true fail."""
    found = os.environ.get(VARIABLES[name], "")
    if not found:
        missing = json.loads(os.environ.get("PEER_MISSING", "{}"))
        how = f"start it with `python3 -m tests.peers run {name} -- pytest …`"
        miss(f"no {name}: {missing.get(name, how)}")
    return found


def miss(reason: str) -> NoReturn:
    """Skip, or with CI=true fail."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
