"""The 2017 way, as it can be done without any of us: a trigger on a trapper item, an action, and a remote command.

The Zabbix server itself runs `docker compose up --scale`, inside its escalator: nobody signs, nobody checks, once.
7.0 needs `EnableGlobalScripts=1` for it, which is the default and not what its packages ship.
"""

import time

from benchmarks.zabbix_lab import house
from concierge_backends.zabbix import api, packets, trapper

NAME, KEY = "bench 2017", "load"
ITEM = f"/{NAME}/{KEY}"
TRAPPER, SCRIPT, ON_THE_SERVER, IN_ACTIONS, REMOTE_COMMAND = 2, 0, 1, 1, 1


class TooEarly(Exception):
    """Zabbix has no item yet for the value."""


class Remote:
    """A value goes straight to the trapper port: there is no shorter way."""

    def __init__(self, address: str) -> None:
        self._port = trapper.Trapper([address], 5)

    async def say(self, load: float) -> int:
        """Send a value; return when, in ns."""
        at_ns = time.time_ns()
        if not await self._port.deliver(NAME, [packets.row(NAME, KEY, load, at_ns)]):
            raise TooEarly
        return at_ns


async def prepare(door: api.Api, out: str, back: str) -> None:
    """Make host, item, both triggers and what they run."""
    (group,) = (await door.call("hostgroup.create", {"name": NAME}))["groupids"]
    made = await door.call("host.create", {"host": NAME, "groups": [{"groupid": group}]})
    item = {"hostid": made["hostids"][0], "name": KEY, "key_": KEY, "type": TRAPPER, "value_type": 0}
    await door.call("item.create", item)
    high, recovered = f"last({ITEM})>{house.HIGH}", f"last({ITEM})<{house.RECOVERED}"
    low, busy = f"last({ITEM})<{house.LOW}", f"last({ITEM})>{house.BUSY}"
    await _rule(door, "bench high", high, recovered, out)
    await _rule(door, "bench low", low, busy, back)


async def _rule(door: api.Api, name: str, problem: str, recovery: str, command: str) -> None:
    trigger = {
        "description": name,
        "expression": problem,
        "recovery_mode": 1,
        "recovery_expression": recovery,
    }
    (trigger_id,) = (await door.call("trigger.create", trigger))["triggerids"]
    script = {
        "name": name,
        "type": SCRIPT,
        "execute_on": ON_THE_SERVER,
        "scope": IN_ACTIONS,
        "command": command,
    }
    (script_id,) = (await door.call("script.create", script))["scriptids"]
    operation = {
        "operationtype": REMOTE_COMMAND,
        "opcommand": {"scriptid": script_id},
        "opcommand_hst": [{"hostid": "0"}],
    }
    action = {
        "name": name,
        "eventsource": 0,
        "esc_period": "60s",
        "filter": {"evaltype": 0, "conditions": [{"conditiontype": 2, "operator": 0, "value": trigger_id}]},
        "operations": [operation],
    }
    await door.call("action.create", action)
