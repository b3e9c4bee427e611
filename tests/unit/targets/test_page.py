"""The page about targets is true: every configuration on it is one."""

import re
import tomllib
from pathlib import Path

import pytest

from concierge_proto import settings
from concierge_scheduler.targets import endpoint

PAGE = (Path(__file__).parents[3] / "docs" / "targets.md").read_text("utf-8")
BLOCKS = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: re.findall(r"(?:host|context) = .*", block)[:1])
def test_a_configuration_of_the_page(block: str) -> None:
    found = settings.parse(tomllib.loads(block), "docs/targets.md")
    words = [str(word) for word in endpoint.client(found.targets["shop"]).docker_cmd]
    shop = found.targets["shop"]
    for told in (shop.host, shop.context, shop.docker_config, shop.tls_key_file):
        assert not told or told in words
    assert ("--tlsverify" in words) is shop.host.startswith("tcp://")


def test_ssh_is_told_what_docker_can_not_tell_it() -> None:
    (block,) = (block for block in BLOCKS if "ssh://" in block)
    options = endpoint._options(settings.parse(tomllib.loads(block), "docs/targets.md").targets["shop"])
    assert 'IdentityFile="/run/secrets/docker1"' in options
    assert 'UserKnownHostsFile="/etc/concierge/known_hosts"' in options
    assert {"BatchMode=yes", "StrictHostKeyChecking=yes", "IdentitiesOnly=yes"} < set(options)
