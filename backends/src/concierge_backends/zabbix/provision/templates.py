"""The templates: what every instance has, and what every service has. Documents, and how they get there."""

import re

from concierge_backends.zabbix import keys, names, outcomes
from concierge_backends.zabbix.provision import catalogue, ledger
from concierge_backends.zabbix.provision.ledger import Doc

GROUP = "Templates/Concierge"
INSTANCE = "Concierge instance"
SERVICE = "Concierge service"

TRAPPER, CALCULATED = 2, 15
FLOAT, UNSIGNED, TEXT = 0, 3, 4
UNCHANGED, SUPPORTED = 20, 26
"""Preprocessing steps: discard unchanged with a heartbeat; check for not supported value."""
FOREACH_EVERY = "10s"
"""How often Zabbix's own aggregates are calculated."""
LIFETIME = "7d"
"""How long the items of a metric that is gone are kept."""
DROPPED = ("full", "old", "refused", "corrupt")
"""Why a courier drops a snapshot."""

_CALL = re.compile(r"\{\d+\}")
ITEM = ledger.Kind("item", "item", "itemid", "key_", fixed=("hostid",))
RULE = ledger.Kind("discovery rule", "discoveryrule", "itemid", "key_", fixed=("hostid",))
PROTOTYPE = ledger.Kind("item prototype", "itemprototype", "itemid", "key_", fixed=("hostid", "ruleid"))
TRIGGER = ledger.Kind("trigger", "trigger", "triggerid", "description")
TEMPLATE = ledger.Kind("template", "template", "templateid", "host", shared=("groups", "templates"))


def item(host: str, key: str, name: str, **more: object) -> Doc:
    """Return a trapper item for numbers."""
    return {"hostid": host, "key_": key, "name": name, "type": TRAPPER, "value_type": FLOAT, **more}


def calculated(host: str, key: str, name: str, formula: str, **more: object) -> Doc:
    return item(host, key, name, type=CALCULATED, params=formula, delay=FOREACH_EVERY, **more)


def or_zero(*, seven: bool) -> list[Doc]:
    """Preprocessing that reads 0 where nothing can be calculated: right for counts, wrong for averages."""
    params = "-1" if seven else ""
    return [{"type": SUPPORTED, "params": params, "error_handler": 2, "error_handler_params": "0"}]


def instance_items(host: str) -> list[Doc]:
    once = [{"type": UNCHANGED, "params": "1h", "error_handler": 0, "error_handler_params": ""}]
    return [
        item(host, names.STATE, "Container: state", value_type=UNSIGNED, description="1 running, 0 stopped."),
        item(
            host, names.REASON, "Container: why it stopped", value_type=TEXT, trends="0", preprocessing=once
        ),
        item(
            host,
            names.ELAPSED,
            "Courier: delivery",
            units="!ms",
            description="From the start of its reading to Zabbix's answer. -1: timed out, 0: failed.",
        ),
        item(
            host, "courier.collect", "Courier: reading", units="!ms", description="-1: timed out, 0: failed."
        ),
        item(host, "courier.skipped", "Courier: collections skipped"),
        item(host, "courier.dropped", "Courier: snapshots dropped"),
        item(host, "courier.unusable", "Courier: values that are no numbers"),
        item(host, "courier.delivered", "Courier: snapshots delivered"),
        item(host, "courier.retried", "Courier: messages that needed more than one try"),
        *(item(host, f"courier.dropped.{why}", f"Courier: snapshots dropped, {why}") for why in DROPPED),
        item(host, "courier.spooled", "Courier: snapshots on disk"),
        item(host, "courier.oldest", "Courier: age of the oldest snapshot that waits", units="s"),
        *(item(host, key, f"Container: {key}", units=unit) for key, unit in catalogue.CONTAINER.items()),
    ]


def instance_macros() -> list[Doc]:
    return [
        {"macro": "{$CONCIERGE.SILENT}", "value": "2m", "description": "No heartbeat for so long: silent"},
        {"macro": "{$COURIER.SLOW}", "value": "1000", "description": "ms: delivery is called slow"},
        {"macro": "{$COURIER.GOOD}", "value": "500", "description": "ms: delivery is good again"},
    ]


def instance_triggers() -> list[Doc]:
    state, elapsed = f"/{INSTANCE}/{names.STATE}", f"/{INSTANCE}/{names.ELAPSED}"
    return [
        liveness("Container is stopped", f"last({state})=0", 3),
        liveness("Container is silent", f"nodata({state},{{$CONCIERGE.SILENT}})=1", 3),
        liveness("Delivery of metrics fails", f"last({elapsed})<=0", 2),
        liveness("Delivery of metrics is slow", f"last({elapsed})>{{$COURIER.SLOW}}", 2)
        | {
            "recovery_mode": 1,
            "recovery_expression": f"last({elapsed})>0 and last({elapsed})<{{$COURIER.GOOD}}",
        },
    ]


def liveness(name: str, expression: str, severity: int) -> Doc:
    return {
        "description": name,
        "expression": expression,
        "recovery_mode": 0,
        "priority": severity,
        "tags": [{"tag": "concierge", "value": "liveness"}],
    }


def rule(host: str, kind: str, *, seven: bool) -> Doc:
    doc: Doc = {"hostid": host, "key_": keys.rule(kind), "name": f"Concierge: {kind}s", "type": TRAPPER}
    doc["lifetime"] = LIFETIME
    if seven:
        # Else a metric that is missing once has its items disabled at once.
        doc |= {"lifetime_type": 0, "enabled_lifetime_type": 1}
    return doc


def prototypes(host: str, kind: str, rule_id: str) -> list[Doc]:
    return [
        item(
            host,
            f"{kind}[{{#NAME}},{field}]",
            f"{{#NAME}} {field}",
            ruleid=rule_id,
            history="7d",
            trends="90d",
            tags=[{"tag": "kind", "value": kind}],
        )
        for field in catalogue.FIELDS[kind]
    ]


def service_items(host: str, *, seven: bool) -> list[Doc]:
    """What was heard and runs: delivered, and beside it in Zabbix's own way, in the forms both versions know."""
    states = f'/*/{names.STATE}?[group="{{$SERVICE_HOSTGROUP}}"]'
    return [
        item(host, names.HEARD, "Instances heard", value_type=UNSIGNED),
        item(host, names.RUNNING, "Instances running", value_type=UNSIGNED),
        item(host, outcomes.WANTED, "Instances wanted", value_type=UNSIGNED),
        item(host, outcomes.OUTCOME, "Last change", value_type=TEXT, trends="0"),
        item(host, outcomes.REACTION, "From the webhook to convergence", units="s"),
        calculated(
            host, "foreach.heard", "Instances heard (calculated)", f"count(max_foreach({states},{{$FRESH}}))"
        ),
        calculated(
            host,
            "foreach.running",
            "Instances running (calculated)",
            f"sum(min_foreach({states},{{$FRESH}}))",
            preprocessing=or_zero(seven=seven),
        ),
    ]


def service_macros() -> list[Doc]:
    return [
        {"macro": "{$FRESH}", "value": "30s", "description": "An instance silent for longer is not counted"},
        {
            "macro": "{$SERVICE_HOSTGROUP}",
            "value": "",
            "description": "Host group of the service's instances",
        },
    ]


def template(host: str, group: str, **more: object) -> Doc:
    return {"host": host, "groups": [{"groupid": group}], **more}


async def settle(book: ledger.Ledger, group: str) -> dict[str, str]:
    """Make both templates with all they hold; return their ids by name."""
    ids = await settle_templates(
        book,
        [
            template(
                INSTANCE, group, macros=instance_macros(), tags=[{"tag": "concierge", "value": "instance"}]
            ),
            template(
                SERVICE, group, macros=service_macros(), tags=[{"tag": "concierge", "value": "service"}]
            ),
        ],
    )
    instance, service = ids[INSTANCE], ids[SERVICE]
    await settle_items(book, instance, instance_items(instance))
    await settle_items(book, service, service_items(service, seven=book.seven))
    await settle_discovery(book, instance)
    await settle_triggers(book, "templateids", instance, instance_triggers())
    return ids


async def settle_templates(book: ledger.Ledger, docs: list[Doc]) -> dict[str, str]:
    groups = "selectTemplateGroups" if book.seven else "selectGroups"
    found = await book.find(
        "template.get",
        {
            "filter": {"host": [doc["host"] for doc in docs]},
            groups: "extend",
            "selectMacros": "extend",
            "selectTags": "extend",
            "selectParentTemplates": ["templateid"],
        },
    )
    for doc in found:
        doc["groups"] = doc.get("templategroups", doc.get("groups"))
        doc["templates"] = doc["parentTemplates"]
    return await book.settle(TEMPLATE, docs, found)


async def settle_items(book: ledger.Ledger, host: str, docs: list[Doc]) -> None:
    params = {"hostids": [host], "inherited": False, "selectPreprocessing": "extend", "selectTags": "extend"}
    await book.settle(ITEM, docs, await book.find("item.get", params, host))


async def settle_discovery(book: ledger.Ledger, host: str) -> None:
    found = await book.find("discoveryrule.get", {"hostids": [host], "inherited": False}, host)
    rules = await book.settle(RULE, [rule(host, kind, seven=book.seven) for kind in catalogue.FIELDS], found)
    docs = [doc for kind in catalogue.FIELDS for doc in prototypes(host, kind, rules[keys.rule(kind)])]
    params = {"hostids": [host], "inherited": False, "selectTags": "extend"}
    await book.settle(PROTOTYPE, docs, await book.find("itemprototype.get", params, host))


async def settle_triggers(book: ledger.Ledger, by: str, host: str, docs: list[Doc]) -> dict[str, str]:
    """`by`: `templateids` or `hostids`. Return the ids by name."""
    params = {
        by: [host],
        "inherited": False,
        "selectFunctions": "extend",
        "selectHosts": ["host"],
        "selectItems": ["itemid", "key_"],
        "selectTags": "extend",
    }
    found = await book.find("trigger.get", params, host)
    return await book.settle(TRIGGER, docs, [{**doc, **expressions(doc)} for doc in found])


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
