"""Back-up and restore on real servers: what was there comes back, into the same server and into a newer one."""

import secrets
from typing import Any

import msgspec
import pytest

from concierge_backends.zabbix import api, names, provision
from concierge_backends.zabbix.provision.backup import restore, save
from concierge_proto import settings
from tests.integration.zabbix import own
from tests.integration.zabbix.conftest import SECRET, Apply, Server

BY_TRIGGER = "2"


def changed(changes: list[provision.Change]) -> list[tuple[str, str, str]]:
    return [(one.change, one.kind, one.name) for one in changes if one.change != "none"]


async def test_what_is_ours_comes_back(apply: Apply, server: Server, config: settings.Settings) -> None:
    await provision.destroy(config, login=server.login)
    await apply()
    saved = await provision.export(config, login=server.login)
    text = msgspec.json.encode(saved)
    assert SECRET.encode() not in text
    await provision.destroy(config, login=server.login)

    done = await provision.restore(config, restore.read(text), login=server.login)
    assert {change for change, _, _ in changed(done)} == {"create"}
    assert await provision.export(config, login=server.login) == saved
    # Secrets are in no back-up: `apply` writes them.
    assert {kind for _, kind, _ in changed(await apply(dry_run=True))} == {"global macro"}


@pytest.mark.parametrize("server", ["PEER_ZABBIX"], indirect=True)
async def test_a_back_up_of_6_0_goes_into_7_0_with_other_ids(
    server: Server, config: settings.Settings, service: str, door: api.Api
) -> None:
    host = names.service_host(config, service)
    async with own.running("zabbix60") as old:
        there = msgspec.structs.replace(
            config,
            monitoring=msgspec.structs.replace(
                config.monitoring,
                zabbix=msgspec.structs.replace(
                    config.monitoring.zabbix, api_url=old.server.address, api_token_file=""
                ),
            ),
        )
        user, password = own.LOGIN.user, own.LOGIN.password
        await provision.apply(there, user=user, password=password, gateway_url="http://g", secret=SECRET)
        saved = await provision.export(there, login=own.LOGIN)
    assert saved.zabbix == "6.0"
    await provision.restore(config, saved, login=server.login)
    (trigger,) = await door.call("trigger.get", {"host": host, "output": ["description"]})
    name = f"Concierge {service}: {trigger['description']}"
    question = {"filter": {"name": [name]}, "selectFilter": "extend", "selectOperations": "extend"}
    (action,) = await door.call("action.get", question)
    (condition,) = action["filter"]["conditions"]
    assert (condition["conditiontype"], condition["value"]) == (BY_TRIGGER, trigger["triggerid"])
    (told,) = action["operations"]
    (user_id,) = [one["userid"] for one in told["opmessage_usr"]]
    (recipient,) = await door.call("user.get", {"userids": [user_id], "output": ["username"]})
    assert recipient["username"] == "concierge"
    assert told["opmessage"]["subject"] == "scale_out 1"


async def test_others_come_back_too_when_all_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, server: Server, config: settings.Settings, door: api.Api
) -> None:
    mark = secrets.token_hex(4)
    (group,) = (await door.call("hostgroup.create", {"name": f"group {mark}"}))["groupids"]
    under = "templategroup" if door.seven else "hostgroup"
    (place,) = (await door.call(f"{under}.create", {"name": f"templates {mark}"}))["groupids"]
    parent, child = await _family(door, mark, place)
    doc: dict[str, Any] = {"host": f"host {mark}", "groups": [{"groupid": group}]}
    (host,) = (await door.call("host.create", doc | {"templates": [{"templateid": child}]}))["hostids"]
    action = {
        "name": f"action {mark}",
        "eventsource": 2,
        "filter": {
            "evaltype": 3,
            "formula": "A or B",
            "conditions": [
                {"conditiontype": 24, "operator": 2, "value": mark, "formulaid": "A"},
                {"conditiontype": 24, "operator": 2, "value": "x", "formulaid": "B"},
            ],
        },
        "operations": [
            {"operationtype": 4, "opgroup": [{"groupid": group}]},
            {"operationtype": 6, "optemplate": [{"templateid": child}]},
        ],
    }
    (acted,) = (await door.call("action.create", action))["actionids"]

    # A new server has 300 templates, which take their time.
    sort = save.parents_first
    monkeypatch.setattr(save, "parents_first", lambda book, _: sort(book, [child, parent]))
    saved = await provision.export(config, login=server.login, everything=True)
    assert {"Zabbix server", f"host {mark}"} <= {one["host"] for one in _all(saved, "hosts")}
    assert "Report problems to Zabbix administrators" in {one["name"] for one in saved.actions}
    await door.call("action.delete", [acted])
    await door.call("host.delete", [host])
    await door.call("template.delete", [child, parent])
    await door.call("hostgroup.delete", [group])
    back = changed(await provision.restore(config, saved, login=server.login))
    assert {one for one in back if one[2].endswith(mark)} == {
        ("create", "host group", f"group {mark}"),
        ("create", "template", f"a parent {mark}"),
        ("create", "template", f"a child {mark}"),
        ("create", "host", f"host {mark}"),
        ("create", "action", f"action {mark}"),
    }
    (made,) = await door.call(
        "action.get", {"filter": {"name": [f"action {mark}"]}, "selectFilter": "extend"}
    )
    assert made["filter"]["formula"] == "A or B"
    assert changed(await provision.restore(config, saved, login=server.login, dry_run=True)) == []


async def _family(door: api.Api, mark: str, group: str) -> tuple[str, str]:
    """Two templates, the first linked to the second."""
    where = {"groups": [{"groupid": group}]}
    (parent,) = (await door.call("template.create", {"host": f"a parent {mark}", **where}))["templateids"]
    linked = {"templates": [{"templateid": parent}], **where}
    (child,) = (await door.call("template.create", {"host": f"a child {mark}", **linked}))["templateids"]
    return parent, child


def _all(saved: provision.Saved, section: str) -> list[dict[str, Any]]:
    return [one for part in saved.parts for one in part["zabbix_export"].get(section, ())]
