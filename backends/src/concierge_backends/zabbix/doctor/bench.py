"""An item, a trigger and an action of the doctor's own, on the host of a service: made for one visit."""

import contextlib
from collections.abc import AsyncIterator
from typing import NamedTuple

from concierge_backends.zabbix import api, names, webhook
from concierge_backends.zabbix.doctor.finding import Patient
from concierge_backends.zabbix.provision import actions, ledger, media, people
from concierge_proto import errors, identity

NAME = "Concierge doctor"
KEY = "concierge.doctor"
"""How the key of the item begins. Each visit has another: the server knows a deleted one for a while."""
_ONCE = "1h"
"""The escalation step: the visit is over before a second one."""


class Bench(NamedTuple):
    """What was made."""

    host: str
    key: str
    item: str
    """Its id."""
    action: str
    """Its id; "" where there is nobody to send to."""
    mark: str
    """Key of an item that was made last: once the server takes a value for it, it knows all the others."""


@contextlib.asynccontextmanager
async def made(door: api.Api, patient: Patient) -> AsyncIterator[Bench]:
    """Make it, and take away all of it; also what an interrupted visit has left. Raises Temporary, Permanent."""
    await clear(door)
    try:
        yield await _make(door, await _host(door, patient), fires=not patient.cluster)
    finally:
        await clear(door)


async def clear(door: api.Api) -> None:
    """Remove the action, then the item, with which its trigger goes."""
    old = await door.call("action.get", {"filter": {"name": NAME}, "output": ["actionid"]})
    if old:
        await door.call("action.delete", [one["actionid"] for one in old])
    items = await door.call(
        "item.get", {"search": {"key_": f"{KEY}["}, "startSearch": True, "output": ["itemid"]}
    )
    if items:
        await door.call("item.delete", [one["itemid"] for one in items])


async def _host(door: api.Api, patient: Patient) -> ledger.Doc:
    wanted = [names.service_host(patient.config, service) for service in patient.config.services]
    found = await door.call(
        "host.get", {"filter": {"host": wanted, "status": 0}, "output": ["hostid", "host"], "limit": 1}
    )
    if not found:
        raise errors.Permanent("there is no enabled host of a service to try it on")
    return dict(found[0])


async def _make(door: api.Api, host: ledger.Doc, *, fires: bool) -> Bench:
    visit = identity.mint()
    key, mark = f"{KEY}[{visit}]", f"{KEY}[{visit},mark]"
    item_id = await _item(door, host, key)
    trigger = {
        "description": NAME,
        "expression": f"last(/{host['host']}/{key})>1",
        "priority": 4,
        "tags": [{"tag": webhook.DOCTOR, "value": "1"}],
    }
    (trigger_id,) = (await door.call("trigger.create", trigger))["triggerids"]
    action_id = await _action(door, trigger_id) if fires else ""
    await _item(door, host, mark)
    return Bench(host["host"], key, item_id, action_id, mark)


async def _item(door: api.Api, host: ledger.Doc, key: str) -> str:
    item = {"hostid": host["hostid"], "key_": key, "name": NAME, "type": 2, "value_type": 0, "trends": "0"}
    (item_id,) = (await door.call("item.create", item))["itemids"]
    return str(item_id)


async def _action(door: api.Api, trigger_id: str) -> str:
    types = await door.call("mediatype.get", {"filter": {"name": media.NAME}, "output": ["mediatypeid"]})
    users = await door.call("user.get", {"filter": {"username": people.USER}, "output": ["userid"]})
    if not (types and users):
        return ""
    told = {"default_msg": 0, "subject": NAME, "message": NAME, "mediatypeid": types[0]["mediatypeid"]}
    step = {
        "operationtype": 0,
        "opmessage": told,
        "opmessage_usr": [{"userid": users[0]["userid"]}],
        "esc_step_from": 1,
        "esc_step_to": 1,
    }
    doc = {
        "name": NAME,
        "eventsource": actions.TRIGGERS,
        "esc_period": _ONCE,
        "filter": {
            "evaltype": 0,
            "conditions": [{"conditiontype": actions.BY_TRIGGER, "operator": 0, "value": trigger_id}],
        },
        "operations": [step],
    }
    (action_id,) = (await door.call("action.create", doc))["actionids"]
    return str(action_id)
