"""Two `concierge zabbix apply` on one server at the same time."""

import asyncio
import logging

import msgspec
import pytest

from concierge_backends.zabbix import api, names, provision
from concierge_backends.zabbix.provision import macros, people, turns
from concierge_proto import errors, settings
from tests.integration.zabbix.conftest import SECRET, Apply, Server
from tests.integration.zabbix.test_provision import counted

STALE = {"macro": turns.LOCK, "value": "elsewhere 7 nobody 0"}


@pytest.fixture(autouse=True)
def waited(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What is said while one waits; not for long for one who says nothing."""
    monkeypatch.setattr(turns, "SILENT", 2.0)
    monkeypatch.setattr(turns, "BEAT", 0.5)
    caplog.set_level(logging.WARNING, turns.__name__)
    return caplog


async def test_two_at_once_make_everything_once(
    apply: Apply, door: api.Api, config: settings.Settings, server: Server, waited: pytest.LogCaptureFixture
) -> None:
    """Zabbix itself makes a host, an item or a trigger twice of two calls at the same moment."""
    await provision.destroy(config, login=server.login)
    first, second = sorted(await asyncio.gather(apply(), apply()), key=lambda done: counted(done) == {"none"})
    assert any("waiting for its end" in said for said in waited.messages)
    assert "create" in counted(first)
    assert counted(second) == {"none"}
    (host,) = await door.call("host.get", {"filter": {"host": names.service_host(config, *config.services)}})
    for kind, name, params in (
        ("template", "host", {"search": {"host": "Concierge"}, "startSearch": True}),
        ("hostgroup", "name", {}),
        ("item", "key_", {"hostids": host["hostid"]}),
        ("trigger", "description", {"hostids": host["hostid"]}),
    ):
        found = [one[name] for one in await door.call(f"{kind}.get", params)]
        assert found, kind
        assert len(found) == len(set(found)), found
    left = {"globalmacro": True, "filter": {"macro": [turns.LOCK]}, "countOutput": True}
    assert await door.call("usermacro.get", left) == "0"


async def test_two_with_different_services_keep_each_others_rights(
    server: Server, door: api.Api, config: settings.Settings, service: str
) -> None:
    """The rights of a user group are written whole."""

    async def applied(name: str) -> list[provision.Change]:
        own = {name: config.services[service]}
        return await provision.apply(
            msgspec.structs.replace(config, services=own),
            user=server.login.user,
            password=server.login.password,
            gateway_url="http://127.0.0.1:9",
            secret=SECRET,
        )

    await applied(service)  # the user groups are there
    await asyncio.gather(*(applied(f"{service}-{one}") for one in "ab"))
    wanted = [names.host_group(config, name) for name in (service, *(f"{service}-{one}" for one in "ab"))]
    ids = {one["groupid"] for one in await door.call("hostgroup.get", {"filter": {"name": wanted}})}
    assert len(ids) == len(wanted)
    select, listed = ("HostGroupRights", "hostgroup_rights") if door.seven else ("Rights", "rights")
    for who in people.ALL:
        question = {"filter": {"name": who.name}, f"select{select}": "extend"}
        (found,) = await door.call("usergroup.get", question)
        rights = {one["id"]: int(one["permission"]) for one in found[listed]}
        assert {rights.get(number) for number in ids} == {who.permission}


async def test_one_that_was_killed_keeps_nobody_out_for_ever(
    apply: Apply, door: api.Api, waited: pytest.LogCaptureFixture
) -> None:
    await door.call("usermacro.createglobal", STALE)
    assert counted(await apply(dry_run=True)), "a plan waits for nobody"
    assert not waited.messages
    await apply()
    waits, over = waited.messages
    assert "process 7 on elsewhere" in waits
    assert "taking over" in over


async def test_one_whose_lock_somebody_took_stops_before_it_writes(
    apply: Apply, door: api.Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    call, locks = api.Api._call, []

    def slow(self: api.Api, method: str, params: object) -> object:
        done = call(self, method, params)
        if method == "usermacro.createglobal" and turns.LOCK in str(params):
            locks.append(done["globalmacroids"][0])
        if method == "usermacro.get" and len(locks) == 1 and macros.GATEWAY in str(params):
            call(self, "usermacro.deleteglobal", [locks[0]])
            locks.append("theirs")
            call(self, "usermacro.createglobal", STALE)
            monkeypatch.setattr(turns, "BEAT", -1.0)
        return done

    monkeypatch.setattr(api.Api, "_call", slow)
    with pytest.raises(errors.Temporary, match="took over; run it again"):
        await apply()
    (theirs,) = await door.call("usermacro.get", {"globalmacro": True, "filter": {"macro": [turns.LOCK]}})
    assert theirs["value"] == STALE["value"], "that of the other stays"
    await door.call("usermacro.deleteglobal", [theirs["globalmacroid"]])
