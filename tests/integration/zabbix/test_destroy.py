"""`destroy` on a real server: what `apply` made is gone, what others made stays; cut off anywhere, both go on."""

import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from concierge_backends.zabbix import api, names, provision
from concierge_backends.zabbix.provision import turns
from concierge_proto import errors, settings
from tests.integration.zabbix.conftest import Apply, Server

OBJECTS = ("host", "template", "hostgroup", "action", "mediatype", "user", "usergroup", "role", "trigger")


class Fault:
    """Cuts the front end off after the first call that writes: it is done, and the answer is lost.

    Cut off before a call, the server is as it was after the call before, so that needs no test of its own.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.armed = False
        self.hits: list[str] = []
        call = api.Api._call

        def cut(door: api.Api, method: str, params: Any) -> Any:
            done = call(door, method, params)
            if not self.armed or method.endswith((".get", ".importcompare")) or turns.LOCK in str(params):
                return done
            self.armed = False
            self.hits.append(method)
            raise errors.Temporary(f"the front end died at {method}")

        monkeypatch.setattr(api.Api, "_call", cut)

    async def through(self, work: Callable[[], Awaitable[object]]) -> list[str]:
        """Let it write once and die, again and again, until nothing is left; return the calls it died at."""
        self.hits = []
        for _ in range(60):
            self.armed = True
            try:
                await work()
            except errors.Temporary:
                continue
            self.armed = False
            return self.hits
        raise AssertionError("it does not come to an end")


@pytest.fixture
def fault(monkeypatch: pytest.MonkeyPatch) -> Fault:
    return Fault(monkeypatch)


Destroy = Callable[..., Awaitable[list[provision.Change]]]


@pytest.fixture
def destroy(server: Server, config: settings.Settings) -> Destroy:
    """`concierge zabbix destroy`."""

    async def destroyed(**more: Any) -> list[provision.Change]:
        return await provision.destroy(config, login=server.login, **more)

    return destroyed


async def counted(door: api.Api) -> dict[str, int]:
    """How many objects of each sort there are."""
    return {name: int(await door.call(f"{name}.get", {"countOutput": True})) for name in OBJECTS}


async def test_what_apply_made_is_gone_and_what_others_made_stays(
    apply: Apply, destroy: Destroy, door: api.Api, config: settings.Settings, service: str
) -> None:
    await destroy()
    mark = secrets.token_hex(4)
    (group,) = (await door.call("hostgroup.create", {"name": f"Concierge of the hotel {mark}"}))["groupids"]
    before = await counted(door)
    await apply()
    ours = await door.call("hostgroup.get", {"filter": {"name": [names.host_group(config, service)]}})
    theirs = {"host": f"theirs {mark}", "groups": [{"groupid": group}, {"groupid": ours[0]["groupid"]}]}
    (host,) = (await door.call("host.create", theirs))["hostids"]
    action = {"name": f"Concierge night {mark}", "eventsource": 0, "esc_period": "1h"}
    mail = (await door.call("mediatype.get", {"filter": {"type": 0}}))[0]["mediatypeid"]
    action["operations"] = [
        {"operationtype": 0, "opmessage": {"mediatypeid": mail}, "opmessage_usr": [{"userid": "1"}]}
    ]
    (acted,) = (await door.call("action.create", action))["actionids"]

    planned = await destroy(dry_run=True)
    done = await destroy()
    assert done == planned
    assert {change.change for change in done} == {"delete"}
    after = await counted(door)
    await door.call("host.delete", [host])
    await door.call("action.delete", [acted])
    # Our group holds a host of theirs, so it stays.
    more = {"hostgroup": 1, "host": 1, "action": 1}
    assert after == {name: number + more.get(name, 0) for name, number in before.items()}
    assert {change.kind for change in await destroy()} == {"host group"}
    await door.call("hostgroup.delete", [group])
    assert not await destroy()


async def test_cut_off_at_every_write_both_come_to_their_end(
    apply: Apply, destroy: Destroy, fault: Fault
) -> None:
    await destroy()
    written = await fault.through(apply)
    assert {"configuration.import", "host.create", "trigger.create", "user.create"} <= set(written)
    assert written[-1] == "action.create"
    assert {change.change for change in await apply(dry_run=True)} == {"none"}
    written = await fault.through(destroy)
    assert {"host.delete", "template.delete", "user.delete"} <= set(written)
    assert written[0] == "action.delete"
    assert not await destroy()
