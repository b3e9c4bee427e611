"""Two `concierge zabbix apply` on one server at the same time."""

import asyncio
import logging
import threading
from typing import Any, NamedTuple

import msgspec
import pytest

from concierge_backends.zabbix import api, names, provision
from concierge_backends.zabbix.provision import people
from concierge_proto import settings
from tests.integration.zabbix.conftest import SECRET, Apply, Server
from tests.integration.zabbix.test_provision import counted


@pytest.fixture
def meeting(monkeypatch: pytest.MonkeyPatch) -> threading.Barrier:
    """The first two that make a host wait for each other: both have seen that there is none."""
    both, first, call = threading.Barrier(2, timeout=60), threading.Semaphore(2), api.Api._call

    def met(self: api.Api, method: str, params: Any) -> Any:
        if method == "host.create" and first.acquire(blocking=False):
            both.wait()
        return call(self, method, params)

    monkeypatch.setattr(api.Api, "_call", met)
    return both


async def test_who_meets_the_other_starts_again_and_both_end_well(
    apply: Apply, meeting: threading.Barrier, service: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "concierge_backends.zabbix.provision.turns"):
        one, other = await asyncio.gather(apply(), apply())
    assert any(": starting again" in said for said in caplog.messages)
    assert {len(one), len(other)} == {len(await apply(dry_run=True))}
    made = [
        change for change in (*one, *other) if (change.kind, change.name) == ("host", f"service {service}")
    ]
    assert "create" in counted(made)
    assert counted(await apply(dry_run=True)) == {"none"}


class Late(NamedTuple):
    """Once it is armed, who writes rights next has read them, says that he waits, and goes on when he is told."""

    armed: threading.Semaphore
    waits: threading.Event
    goes: threading.Event


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> Late:
    made, call = Late(threading.Semaphore(0), threading.Event(), threading.Event()), api.Api._call

    def held(self: api.Api, method: str, params: Any) -> Any:
        if method == "usergroup.update" and made.armed.acquire(blocking=False):
            made.waits.set()
            assert made.goes.wait(60)
        return call(self, method, params)

    monkeypatch.setattr(api.Api, "_call", held)
    return made


async def test_rights_that_come_in_between_stay(
    late: Late,
    server: Server,
    door: api.Api,
    config: settings.Settings,
    service: str,
) -> None:
    """Two that have different services: the rights of a user group are written whole."""

    async def applied(*services: str) -> list[provision.Change]:
        own = dict.fromkeys(services, config.services[service])
        return await provision.apply(
            msgspec.structs.replace(config, services=own),
            user=server.login.user,
            password=server.login.password,
            gateway_url="http://127.0.0.1:9",
            secret=SECRET,
        )

    await applied()  # the user groups are there
    late.armed.release()
    slow = asyncio.create_task(applied(service))
    assert await asyncio.to_thread(late.waits.wait, 60)
    await applied(f"{service}-b")
    late.goes.set()
    await slow
    wanted = [names.host_group(config, name) for name in (service, f"{service}-b")]
    ids = {one["groupid"] for one in await door.call("hostgroup.get", {"filter": {"name": wanted}})}
    select, listed = ("HostGroupRights", "hostgroup_rights") if door.seven else ("Rights", "rights")
    for who in people.ALL:
        question = {"filter": {"name": who.name}, f"select{select}": "extend"}
        (found,) = await door.call("usergroup.get", question)
        rights = {one["id"]: int(one["permission"]) for one in found[listed]}
        assert {rights.get(number) for number in ids} == {who.permission}
