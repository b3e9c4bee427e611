"""Variables of ``python3 -m tests.peers run``; without them a test is skipped with the reason, or fails on CI."""

import os
from collections.abc import Callable

import pytest

from tests import peer as peers

OWNERS = {
    "PEER_DOCKER_IMAGE": "image",
    "PEER_DOCKER_TINY": "image",
    "PEER_SWARM": "swarm",
    "PEER_DOCKER": "docker",
    "PEER_ZABBIX60": "zabbix60",
    "PEER_ZABBIX": "zabbix",
}


@pytest.fixture
def peer() -> Callable[[str], str]:
    """The value of a variable of a peer."""

    def variable(name: str) -> str:
        owner = next((owner for prefix, owner in OWNERS.items() if name.startswith(prefix)), "prometheus")
        peers.need(owner)
        return os.environ[name]

    return variable
