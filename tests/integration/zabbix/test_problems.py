"""What was lost on the way repairs itself: open problems of a real server against what the gateway was told."""

import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from concierge_backends.zabbix import api, backend, names
from concierge_gateway import ledger, publish, repair, sources, webhooks
from concierge_proto import bus, errors, messages, settings
from tests.integration.gateway import house
from tests.integration.zabbix import own
from tests.integration.zabbix.conftest import SECRET, Apply, Until
from tests.integration.zabbix.test_loop import load

NOBODY = "http://127.0.0.1:9"
"""Where no gateway is: every webhook is lost."""


class Desk(NamedTuple):
    """A gateway that hears no webhook, beside a server that has problems."""

    system: backend.Backend
    repair: repair.Repair
    book: ledger.Ledger
    link: bus.Bus
    service: str

    async def look(self, after: float) -> None:
        """Let a minute's look happen, `after` seconds from now."""
        await self.book.catch_up(self.link)
        await self.repair.look(datetime.now(UTC) + timedelta(seconds=after))

    async def verbs(self) -> list[str]:
        stored = house.Client(None, self.link)  # type: ignore[arg-type] # only looks at the bus
        return [one.verb for one in await stored.commands() if one.service == self.service]

    async def mine(self) -> list[messages.Trigger]:
        return [one for one in await self.system.problems("zabbix") if one.service == self.service]

    async def none(self) -> bool:
        return not await self.mine()


@pytest.fixture
async def desk(
    ready: Apply, config: settings.Settings, service: str, link: bus.Bus, until: Until
) -> AsyncIterator[Desk]:
    """A problem is open, and its webhook was lost: the gateway was down."""
    await ready(NOBODY)
    book = ledger.Ledger()
    known = sources.build(config, {"zabbix": [SECRET]})
    receiver = webhooks.Webhooks(config, known, publish.Shelf(link), book)
    async with backend.open(config) as system:
        mending = repair.Repair(config, link, book, receiver, {"zabbix": system})
        found = Desk(system, mending, book, link, service)
        await system.aggregates(load(service, 5.0))
        await until(found.mine)
        yield found


async def test_a_lost_webhook_and_a_lost_recovery_repair_themselves(desk: Desk, until: Until) -> None:
    await desk.look(after=0)
    assert await desk.verbs() == []  # its webhook may still come
    await desk.look(after=40)
    await desk.look(after=100)
    assert await desk.verbs() == ["scale_out"]
    await desk.system.aggregates(load(desk.service, 1.0))
    await until(desk.none)
    await desk.look(after=160)
    await desk.look(after=220)
    assert await desk.verbs() == ["scale_out", "release"]


async def trigger(door: api.Api, host: str, event_id: str, status: int) -> None:
    (event,) = await door.call("event.get", {"eventids": [event_id], "output": ["objectid"]})
    await door.call("trigger.update", {"triggerid": event["objectid"], "status": status})


async def item(door: api.Api, host: str, event_id: str, status: int) -> None:
    (found,) = await door.call("item.get", {"host": host, "filter": {"key_": names.HEARD}})
    await door.call("item.update", {"itemid": found["itemid"], "status": status})


async def whole_host(door: api.Api, host: str, event_id: str, status: int) -> None:
    (found,) = await door.call("host.get", {"filter": {"host": host}, "output": ["hostid"]})
    await door.call("host.update", {"hostid": found["hostid"], "status": status})


async def test_a_problem_that_can_never_recover_is_released(
    desk: Desk, config: settings.Settings, door: api.Api, until: Until
) -> None:
    """Zabbix lists it for ever, and sends no recovery, not even when it is enabled again."""
    await desk.look(after=40)
    assert await desk.verbs() == ["scale_out"]
    (open_one,) = await desk.mine()
    host, switches = names.service_host(config, desk.service), (trigger, item, whole_host)
    for switch in switches:
        await switch(door, host, open_one.event_id, 1)
        await until(desk.none)
        assert len(await door.call("problem.get", {"eventids": [open_one.event_id]})) == 1
        if switch is not switches[-1]:
            await switch(door, host, open_one.event_id, 0)
            await until(desk.mine)
    await desk.look(after=100)
    assert await desk.verbs() == ["scale_out", "release"]


async def test_a_suppressed_problem_asks_for_nothing_and_is_not_over(
    desk: Desk, door: api.Api, until: Until
) -> None:
    if not door.seven:
        pytest.skip("6.0 suppresses by maintenance alone, which begins up to half a minute late")
    (open_one,) = await desk.mine()
    suppressing = {"eventids": [open_one.event_id], "action": 32, "suppress_until": 0}
    await door.call("event.acknowledge", suppressing)

    async def suppressed() -> bool:
        return [one.verdict for one in await desk.mine()] == ["suppressed"]

    await until(suppressed)
    await desk.look(after=40)
    await desk.look(after=100)
    assert await desk.verbs() == []
    await door.call("event.acknowledge", {"eventids": [open_one.event_id], "action": 64})
    assert [one.verdict for one in await desk.mine()]  # listed all the time
    assert desk.book.past(open_one.problem).known
    assert not desk.book.past(open_one.problem).closed


async def test_a_user_that_lost_its_rights_does_not_end_every_problem(
    config: settings.Settings, door: api.Api, tmp_path: Path
) -> None:
    (groupid,) = (await door.call("usergroup.create", {"name": (name := secrets.token_hex(4))}))["usrgrpids"]
    (role,) = await door.call("role.get", {"filter": {"name": "User role"}})
    who = {
        "username": name,
        "passwd": secrets.token_hex(9),
        "roleid": role["roleid"],
        "usrgrps": [{"usrgrpid": groupid}],
    }
    (userid,) = (await door.call("user.create", who))["userids"]
    made = await door.call("token.create", {"name": name, "userid": userid})
    (file := tmp_path / "blind").write_text((await door.call("token.generate", made["tokenids"]))[0]["token"])
    where = config.monitoring.zabbix
    async with backend.open(
        own.config(where.servers[0], api_url=where.api_url, api_token_file=str(file))
    ) as blind:
        with pytest.raises(errors.Permanent, match="sees no host: give"):
            await blind.problems("zabbix")
