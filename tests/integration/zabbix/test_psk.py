"""TLS by a pre-shared key with real servers: our client runs in a Python 3.13, the first whose ssl can."""

import json
import os
import secrets
from pathlib import Path

import pytest

from tests.integration.zabbix import own, psk_sender
from tests.integration.zabbix.conftest import Until
from tests.integration.zabbix.test_delivery import stored
from tests.peers import place, process, python

pytestmark = pytest.mark.xdist_group("psk")


@pytest.mark.parametrize("version", ["zabbix", "zabbix60"])
async def test_a_shared_key_opens_the_way_and_another_key_does_not(
    version: str, tmp_path: Path, until: Until
) -> None:
    right, wrong = (tmp_path / name for name in ("right", "wrong"))
    for file in (right, wrong):
        file.write_text(secrets.token_hex(32))
    async with own.running(version) as mine:
        by_key = {"tls_accept": 2, "tls_psk_identity": "forwarder", "tls_psk": right.read_text()}
        hostid = await own.host(mine.door, "secret", **by_key)
        itemid = await own.item(mine.door, hostid, "good")

        async def send(file: Path, seconds: float) -> dict[str, object]:
            ours = {"servers": [mine.node], "psk_identity": "forwarder", "psk_file": str(file)}
            words = (json.dumps(ours), "secret", str(seconds))
            try:
                return await python.run(place.here(), Path(psk_sender.__file__), *words)
            except process.Unavailable as problem:
                (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"no Python 3.13: {problem}")

        assert await send(right, 40) == {"processed": 1, "detail": ""}
        assert [text for _, text in await until(lambda: stored(mine.door, itemid))][-1] == "1.5"
        refused = f"Zabbix is away: {mine.node}: it cut the TLS handshake: see that the host in Zabbix has"
        assert str((await send(wrong, 0))["error"]).startswith(refused)
