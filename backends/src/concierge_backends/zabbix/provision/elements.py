"""Items and triggers of a host of ours, as the API takes them."""

import re

from concierge_backends.zabbix.provision import ledger
from concierge_backends.zabbix.provision.ledger import Doc

TRAPPER, CALCULATED = 2, 15
FLOAT = 0
FOREACH_EVERY = "10s"
"""How often Zabbix's own aggregates are calculated."""

THRESHOLD = ("concierge", "threshold")
"""The tag of a threshold's trigger."""

_CALL = re.compile(r"\{\d+\}")
ITEM = ledger.Kind("item", "item", "itemid", "key_", fixed=("hostid",))
TRIGGER = ledger.Kind("trigger", "trigger", "triggerid", "description")


def item(host: str, key: str, name: str, **more: object) -> Doc:
    """Return a trapper item for numbers."""
    return {"hostid": host, "key_": key, "name": name, "type": TRAPPER, "value_type": FLOAT, **more}


def calculated(host: str, key: str, name: str, formula: str) -> Doc:
    return item(host, key, name, type=CALCULATED, params=formula, delay=FOREACH_EVERY)


async def settle_items(book: ledger.Ledger, host: str, docs: list[Doc]) -> None:
    params = {"hostids": [host], "inherited": False}
    await book.settle(ITEM, docs, await book.find("item.get", params, host))


async def settle_triggers(book: ledger.Ledger, host: str, docs: list[Doc]) -> dict[str, str]:
    """Make the triggers of the thresholds of a host, and no others; return their ids by name."""
    params = {
        "hostids": [host],
        "inherited": False,
        "selectFunctions": "extend",
        "selectHosts": ["host"],
        "selectItems": ["itemid", "key_"],
        "selectTags": "extend",
    }
    found = await book.find("trigger.get", params, host)
    kept = {doc["description"] for doc in docs}
    await book.remove(TRIGGER, [doc for doc in found if _threshold(doc) and doc["description"] not in kept])
    return await book.settle(TRIGGER, docs, [{**doc, **expressions(doc)} for doc in found])


def _threshold(trigger: Doc) -> bool:
    """Whether it was made for a threshold: others on the host are an administrator's own."""
    return any((tag["tag"], tag["value"]) == THRESHOLD for tag in trigger["tags"])


def expressions(found: Doc) -> dict[str, str]:
    """Return both expressions as they were written: Zabbix's own expansion fills in the user macros too."""
    items = {item["itemid"]: item["key_"] for item in found["items"]}
    host = found["hosts"][0]["host"]
    written = {
        f"{{{one['functionid']}}}": "{function}({parameter})".format(
            function=one["function"],
            parameter=one["parameter"].replace("$", f"/{host}/{items[one['itemid']]}", 1),
        )
        for one in found["functions"]
    }
    return {
        field: _CALL.sub(lambda call: written.get(call[0], call[0]), found[field])
        for field in ("expression", "recovery_expression")
    }
