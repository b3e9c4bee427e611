"""Servers as they may be found: one that reads its configuration rarely, and one whose history keeps doubles."""

import time
from collections.abc import AsyncIterator

import pytest

from concierge_backends.zabbix import doctor, provision
from concierge_backends.zabbix.doctor import probe
from concierge_proto import settings
from tests.integration.zabbix import own
from tests.integration.zabbix.conftest import SECRET

pytestmark = pytest.mark.xdist_group("shipped")
"""They meet nobody on their servers."""


@pytest.fixture(params=["zabbix", "zabbix60"])
async def mine(request: pytest.FixtureRequest) -> AsyncIterator[own.Own]:
    async with own.running(request.param, {"CacheUpdateFrequency": 3600}) as found:
        yield found


@pytest.fixture
async def patient(mine: own.Own) -> doctor.Patient:
    """A server with one service, and nobody who would hear of it."""
    tree = {
        "monitoring": {"zabbix": {"servers": [mine.node], "api_url": mine.server.address}},
        "targets": {"shop": {"kind": "compose"}},
        "services": {"web": {"target": "shop", "max": 5}},
    }
    config = settings.parse(tree, "test")
    user, password, hook = own.LOGIN.user, own.LOGIN.password, "http://127.0.0.1:9"
    await provision.apply(config, user=user, password=password, gateway_url=hook, secret=SECRET)
    return doctor.Patient(config, mine.server.address, hook, SECRET, time.time, patience=1)


async def test_a_rare_look_at_the_configuration_and_a_history_without_its_key_are_named(
    mine: own.Own, patient: doctor.Patient
) -> None:
    (delay,) = await probe.examine(mine.door, patient)
    assert (delay.state, delay.detail) == ("broken", "a new item took no value within 1 s")
    assert "set CacheUpdateFrequency=10 in zabbix_server.conf" in delay.remedy

    await mine.server.kill()
    await mine.server.cluster.sql("alter table history drop constraint history_pkey", "zabbix")
    mine.server.settings = {}
    await mine.server.serve()
    delay, history, *_ = await probe.examine(mine.door, patient._replace(patience=30, cluster="further"))
    assert delay.state == "ok"
    assert (history.state, history.detail) == ("warning", "a value that is sent twice is stored twice")
    assert "history_pk_prepare.sql" in history.remedy
