"""`apply` on a real server: from nothing to everything, and then nothing more."""

from typing import Any

import msgspec
import pytest

from concierge_backends.zabbix import api, names, provision
from concierge_proto import errors, settings
from tests.integration.zabbix.conftest import SECRET, Apply, Server


def counted(changes: list[provision.Change]) -> set[str]:
    return {change.change for change in changes}


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Methods that were called and are no question."""
    found: list[str] = []
    call = api.Api._call

    def noted(self: api.Api, method: str, params: Any) -> Any:
        if not method.endswith((".get", ".importcompare")):
            found.append(method)
        return call(self, method, params)

    monkeypatch.setattr(api.Api, "_call", noted)
    return found


async def test_a_plan_writes_nothing_and_apply_does_what_it_said(apply: Apply, writes: list[str]) -> None:
    planned = await apply(dry_run=True)
    assert not writes
    done = await apply()
    assert writes
    assert [(change.kind, change.name) for change in planned] == [(one.kind, one.name) for one in done]
    assert [change.change for change in planned] == [change.change for change in done]


async def test_a_second_time_changes_nothing(apply: Apply, writes: list[str]) -> None:
    assert "create" in counted(await apply())
    writes.clear()
    assert counted(await apply()) == {"none"}
    assert counted(await apply(dry_run=True)) == {"none"}
    assert not writes


async def test_what_somebody_changed_is_set_right(
    apply: Apply, door: api.Api, config: settings.Settings, service: str
) -> None:
    await apply()
    host = names.service_host(config, service)
    (trigger,) = await door.call("trigger.get", {"host": host, "output": "extend", "inherited": False})
    await door.call("trigger.update", {"triggerid": trigger["triggerid"], "priority": 1})
    changed = [change for change in await apply() if change.change != "none"]
    assert changed == [
        provision.Change("update", "trigger", f"High load of {service}", {"priority": "1"}, {"priority": 4}),
    ]


async def test_a_host_group_that_was_renamed_gets_its_name_back(
    apply: Apply, door: api.Api, config: settings.Settings, service: str
) -> None:
    await apply()
    name = names.host_group(config, service)
    (group,) = await door.call("hostgroup.get", {"filter": {"name": [name]}})
    await door.call("hostgroup.update", {"groupid": group["groupid"], "name": f"{name} of old"})
    wanted = provision.Change("update", "host group", name, {"name": f"{name} of old"}, {"name": name})
    for dry_run in (True, False):
        assert [change for change in await apply(dry_run=dry_run) if change.change != "none"] == [wanted]
    assert counted(await apply()) == {"none"}


async def test_what_an_administrator_added_to_a_service_host_stays(
    apply: Apply, door: api.Api, config: settings.Settings, service: str
) -> None:
    await apply()
    question = {"filter": {"host": [names.service_host(config, service)]}, "selectTags": "extend"}
    (host,) = await door.call("host.get", question)
    tags = [{"tag": tag["tag"], "value": tag["value"]} for tag in host["tags"]]
    own = {"tag": "owner", "value": "desk"}
    # One of ours is gone, and one of theirs has come.
    await door.call("host.update", {"hostid": host["hostid"], "tags": [tags[0], own]})
    secret = {"hostid": host["hostid"], "macro": "{$OWN}", "value": "x", "type": 1}
    await door.call("usermacro.create", secret)
    changed = [change for change in await apply() if change.change != "none"]
    assert [(one.kind, set(one.after)) for one in changed] == [("host", {"tags"})]
    (host,) = await door.call("host.get", question | {"selectMacros": "extend"})
    assert own in [{"tag": tag["tag"], "value": tag["value"]} for tag in host["tags"]]
    assert len(host["tags"]) == len(tags) + 1
    assert {macro["macro"] for macro in host["macros"]} == {"{$OWN}", "{$FRESH}", "{$SERVICE_HOSTGROUP}"}
    assert {change.change for change in await apply(dry_run=True)} == {"none"}


async def test_a_threshold_that_is_gone_no_longer_acts(
    apply: Apply, server: Server, config: settings.Settings, service: str, door: api.Api
) -> None:
    await apply()
    host = names.service_host(config, service)
    (found,) = await door.call("host.get", {"filter": {"host": host}})
    own = {"description": "An own trigger", "expression": f"last(/{host}/{names.HEARD})>99"}
    await door.call("trigger.create", own)
    renamed = msgspec.structs.replace(config.services[service].triggers[0], name="Other name")
    other = msgspec.structs.replace(
        config,
        services={service: msgspec.structs.replace(config.services[service], triggers=(renamed,))},
    )
    changes = await provision.apply(
        other, user="Admin", password=server.login.password, gateway_url="http://127.0.0.1:9", secret=SECRET
    )
    assert [(one.change, one.kind, one.name) for one in changes if one.change != "none"] == [
        ("delete", "action", f"Concierge {service}: High load of {service}"),
        ("delete", "trigger", f"High load of {service}"),
        ("create", "trigger", "Other name"),
        ("create", "action", f"Concierge {service}: Other name"),
    ]
    left = await door.call("trigger.get", {"hostids": [found["hostid"]], "output": ["description"]})
    assert {one["description"] for one in left} == {"Other name", "An own trigger"}


async def test_a_wrong_password_is_said_in_zabbix_words(server: Server, config: settings.Settings) -> None:
    with pytest.raises(errors.Permanent, match=r"user\.login: Incorrect user name or password"):
        await provision.apply(config, user="Admin", password="wrong", gateway_url="http://g", secret="s")


async def test_nobody_at_the_address_is_temporary(config: settings.Settings) -> None:
    with pytest.raises(errors.Temporary, match="is away"):
        await provision.apply(config, url="http://127.0.0.1:9", token="t", gateway_url="http://g", secret="s")


async def test_a_new_secret_is_written_though_the_old_cannot_be_read(apply: Apply, writes: list[str]) -> None:
    await apply()
    changed = [change for change in await apply(secret="f" * 32) if change.change != "none"]
    assert [(change.kind, change.change) for change in changed] == [("global macro", "update")]
    assert counted(await apply(secret="f" * 32)) == {"none"}
