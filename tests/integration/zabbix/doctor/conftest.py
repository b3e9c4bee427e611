"""One service for all tests of the doctor: `apply` is what costs time here."""

import time

import msgspec
import pytest

from concierge_backends.zabbix import api, doctor
from concierge_proto import settings
from tests.integration.zabbix.conftest import SECRET, Apply, Server
from tests.integration.zabbix.doctor.ward import SERVICE, SOUND, Ward
from tests.integration.zabbix.test_outcome import become_ours


@pytest.fixture
def service() -> str:
    return SERVICE


@pytest.fixture
def config(config: settings.Settings) -> settings.Settings:
    """One service for all tests: `apply` is what costs time here."""
    (only,) = config.services.values()
    triggers = tuple(msgspec.structs.replace(one, name=f"High load of {SERVICE}") for one in only.triggers)
    return msgspec.structs.replace(
        config, services={SERVICE: msgspec.structs.replace(only, triggers=triggers)}
    )


@pytest.fixture
async def ward(apply: Apply, door: api.Api, config: settings.Settings, service: str, server: Server) -> Ward:
    if server.url not in SOUND:
        await apply("http://127.0.0.1:9")
        SOUND.add(server.url)
    await become_ours(door, config)
    hook = "http://127.0.0.1:9/webhooks/zabbix"
    patient = doctor.Patient(config, server.url, hook, SECRET, time.time, patience=20.0)
    return Ward(door, patient, SERVICE, server)
