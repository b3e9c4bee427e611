"""A server on which everything was set up, for tests that break it."""

import secrets
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

from concierge_backends.zabbix import api, doctor, names
from concierge_backends.zabbix.provision import people
from tests.integration.zabbix.conftest import Server

SERVICE = f"t{secrets.token_hex(4)}"
SOUND: set[str] = set()
"""Servers on which everything is as `apply` made it: each test puts back what it broke, or takes its server out."""


class Ward(NamedTuple):
    """A server on which everything was set up, and what the tests need to break it."""

    door: api.Api
    patient: doctor.Patient
    service: str
    server: Server

    async def get(self, method: str, **params: Any) -> dict[str, Any]:
        (found,) = await self.door.call(method, params)
        return dict(found)

    async def host(self) -> dict[str, Any]:
        name = names.service_host(self.patient.config, self.service)
        return await self.get("host.get", filter={"host": name}, selectParentTemplates=["templateid"])

    async def item(self) -> str:
        host = await self.host()
        return str(
            (await self.get("item.get", hostids=[host["hostid"]], filter={"key_": "service.heard"}))["itemid"]
        )

    async def trigger(self) -> str:
        found = await self.get("trigger.get", filter={"description": f"High load of {self.service}"})
        return str(found["triggerid"])

    async def action(self) -> dict[str, Any]:
        return await self.get(
            "action.get", filter={"name": f"Concierge {self.service}: High load of {self.service}"}
        )

    async def user(self) -> dict[str, Any]:
        return await self.get(
            "user.get",
            filter={"username": people.USER},
            selectMedias="extend",
            selectUsrgrps=["usrgrpid"],
            selectRole=["type"],
        )


async def switched(ward: Ward, api_name: str, found: dict[str, str]) -> AsyncIterator[None]:
    """Disable an object, and enable it again."""
    for status in (1, 0):
        await ward.door.call(f"{api_name}.update", {**found, "status": status})
        if status:
            yield
