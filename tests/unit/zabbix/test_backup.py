"""A back-up without a server: what an action keeps of itself, and how ids become names and ids again."""

from collections.abc import Mapping
from typing import Any, cast

import msgspec
import pytest

from concierge_backends.zabbix.provision import imports, ledger
from concierge_backends.zabbix.provision.backup import references, restore, save, steps
from concierge_proto import errors

FOUND: ledger.Doc = {
    "actionid": "7",
    "name": "Tell",
    "eventsource": "0",
    "status": "0",
    "esc_period": "60s",
    "pause_suppressed": "1",
    "notify_if_canceled": "0",
    "filter": {
        "evaltype": "0",
        "formula": "",
        "conditions": [
            {"conditiontype": "2", "operator": "0", "value": "31", "value2": "", "formulaid": "A"}
        ],
        "eval_formula": "A",
    },
    "operations": [
        {
            "operationid": "3",
            "actionid": "7",
            "operationtype": "0",
            "esc_period": "0",
            "esc_step_from": "1",
            "esc_step_to": "0",
            "evaltype": "0",
            "opconditions": [],
            "opmessage": {"default_msg": "0", "subject": "scale_out 1", "message": "", "mediatypeid": "5"},
            "opmessage_grp": [],
            "opmessage_usr": [{"userid": "9"}],
        }
    ],
    "recovery_operations": [
        {
            "operationid": "4",
            "operationtype": "11",
            "evaltype": "0",
            "opmessage": {"default_msg": "1", "mediatypeid": "0"},
        }
    ],
    "update_operations": [],
}
NAMES = {"31": "High load", "5": "Concierge", "9": "concierge"}


class Door:
    """A server that knows one object of each sort, here as 31, 5 and 9, there as 131, 105 and 109."""

    seven = False

    def __init__(self, shift: int = 0, lost: str = "") -> None:
        self.shift = shift
        self.lost = lost
        self.written: list[str] = []

    async def call(self, method: str, params: Mapping[str, Any]) -> Any:
        sort = next((one for one in references.SORTS if method == f"{one.api}.get"), None)
        if sort is None:
            self.written.append(method)
            return {}
        docs = [
            {sort.id: str(int(number) + self.shift), sort.name: name, "hosts": [{"host": "service web"}]}
            for number, name in NAMES.items()
            if name != self.lost
        ]
        asked = params.get(f"{sort.id}s") or params["filter"][sort.name]
        return [doc for doc in docs if doc[sort.id] in asked or doc[sort.name] in asked]


def book(door: Door, *, dry_run: bool = False) -> ledger.Ledger:
    return ledger.Ledger(cast("Any", door), dry_run=dry_run)


def test_an_action_keeps_what_it_is_made_of() -> None:
    assert steps.bare(FOUND) == {
        "name": "Tell",
        "eventsource": "0",
        "status": "0",
        "esc_period": "60s",
        "pause_suppressed": "1",
        "notify_if_canceled": "0",
        "filter": {"evaltype": "0", "conditions": [{"conditiontype": "2", "operator": "0", "value": "31"}]},
        "operations": [
            {
                "operationtype": "0",
                "esc_period": "0",
                "esc_step_from": "1",
                "esc_step_to": "0",
                "evaltype": "0",
                "opmessage": {"default_msg": "0", "subject": "scale_out 1", "mediatypeid": "5"},
                "opmessage_usr": [{"userid": "9"}],
            }
        ],
        "recovery_operations": [{"operationtype": "11", "opmessage": {"default_msg": "1"}}],
    }


def test_an_action_on_registration_has_no_escalation() -> None:
    made = steps.bare({**FOUND, "eventsource": "2"})
    assert not {"esc_period", "pause_suppressed", "notify_if_canceled"} & made.keys()
    assert not {"esc_period", "esc_step_from", "evaltype"} & made["operations"][0].keys()


def test_a_formula_keeps_its_letters() -> None:
    own = {**FOUND["filter"], "evaltype": "3", "formula": "A"}
    made = steps.bare({**FOUND, "filter": own})["filter"]
    assert made["formula"] == "A"
    assert made["conditions"][0]["formulaid"] == "A"


async def test_ids_become_names_and_the_other_server_s_ids() -> None:
    written = await references.Outward(book(Door())).turn(steps.bare(FOUND))
    assert written["filter"]["conditions"][0]["value"] == {
        "ref": "trigger",
        "name": "High load",
        "host": "service web",
    }
    assert written["operations"][0]["opmessage_usr"] == [{"userid": {"ref": "user", "name": "concierge"}}]
    assert written["operations"][0]["opmessage"]["subject"] == "scale_out 1"
    there = await references.Inward(book(Door(shift=100))).turn(written)
    assert there["filter"]["conditions"][0]["value"] == "131"
    assert there["operations"][0]["opmessage"]["mediatypeid"] == "105"
    assert there["operations"][0]["opmessage_usr"] == [{"userid": "109"}]


async def test_everybody_is_no_reference() -> None:
    assert await references.Outward(book(Door())).turn({"mediatypeid": "0"}) == {"mediatypeid": "0"}


async def test_what_is_missing_there_is_named_and_nothing_is_half_done() -> None:
    action = await references.Outward(book(Door())).turn(steps.bare(FOUND))
    door = Door(lost="concierge")
    saved = save.Saved(zabbix="6.0", parts=[], actions=[action])
    with pytest.raises(errors.Permanent, match=r"not on this server: user 'concierge'; make that"):
        await restore.actions_of(book(door), saved)
    assert door.written == []


async def test_a_back_up_of_7_0_is_not_for_6_0() -> None:
    saved = save.Saved(zabbix="7.0", parts=[], actions=[])
    with pytest.raises(errors.Permanent, match=r"6\.0 cannot read it"):
        await restore.everything(book(Door()), saved)


def test_a_back_up_is_read_as_it_was_written() -> None:
    saved = save.Saved(zabbix="6.0", parts=[{"zabbix_export": {}}], actions=[{"name": "a"}])
    assert restore.read(msgspec.json.encode(saved)) == saved
    for text in (b"", b"\xff", b"[]", b'{"zabbix": 7}'):
        with pytest.raises(errors.Malformed, match="no back-up"):
            restore.read(text)


def test_what_an_import_would_do_is_read_from_the_comparison() -> None:
    before = {"uuid": "1", "name": "T", "description": "old"}
    item = {
        "after": {"uuid": "2", "name": "Load", "key": "load"},
        "triggers": {"added": [{"after": {"name": "High"}}]},
    }
    compared = {
        "templates": {
            "updated": [
                {"before": before, "after": {**before, "description": "new"}, "items": {"added": [item]}},
                {"before": before, "after": dict(reversed(before.items()))},
            ]
        },
        "host_groups": {"added": [{"after": {"uuid": "3", "name": "G"}}]},
    }
    assert imports.said(compared) == [
        ledger.Change("update", "template", "T", {"description": "old"}, {"description": "new"}),
        ledger.Change("create", "item", "load"),
        ledger.Change("create", "trigger", "High"),
        ledger.Change("create", "host group", "G"),
    ]
    assert imports.said([]) == []
