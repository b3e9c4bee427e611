"""Elements of a template, with the fields that Zabbix's own export has, and uuids that never change."""

import hashlib
from collections.abc import Iterable
from typing import Any

Doc = dict[str, Any]

SEVERITIES = {"information": "INFO", "warning": "WARNING", "average": "AVERAGE", "high": "HIGH"}


def uuid(*parts: str) -> str:
    """Return the same v4 uuid for the same parts: Zabbix knows an element again by it, on every server."""
    digits = hashlib.sha256("\0".join(("concierge", *parts)).encode()).hexdigest()[:32]
    variant = "89ab"[int(digits[16], 16) % 4]
    return f"{digits[:12]}4{digits[13:16]}{variant}{digits[17:]}"


def item(template: str, key: str, name: str, **more: object) -> Doc:
    """Return a trapper item for numbers; `more` replaces and adds."""
    doc = {"uuid": uuid("item", template, key), "name": name, "type": "TRAP", "key": key, "delay": "0"}
    return doc | {"value_type": "FLOAT"} | more


def count(template: str, key: str, name: str, **more: object) -> Doc:
    """Return a trapper item for whole numbers, which is Zabbix's default."""
    return _without(item(template, key, name, **more), "value_type")


def text(template: str, key: str, name: str, **more: object) -> Doc:
    return item(template, key, name, value_type="TEXT", trends="0", **more)


def calculated(template: str, key: str, name: str, formula: str, **more: object) -> Doc:
    return item(template, key, name, type="CALCULATED", delay="10s", params=formula, **more)


def rule(template: str, key: str, name: str, prototypes: list[Doc], *, seven: bool) -> Doc:
    doc: Doc = {"uuid": uuid("rule", template, key), "name": name, "type": "TRAP", "key": key, "delay": "0"}
    doc["filter"] = _chosen()
    # 7.0 would disable the items of a metric that is missing once; a week is its own lifetime, 6.0's is a month.
    doc |= {"enabled_lifetime_type": "DISABLE_NEVER"} if seven else {"lifetime": "7d"}
    return doc | {"item_prototypes": prototypes}


def _chosen() -> Doc:
    """Return the filter of names, by macros that a service, a template or a host may set."""
    wanted = {"macro": "{#NAME}", "value": "{$METRICS.MATCHES}", "formulaid": "A"}
    unwanted = {"macro": "{#NAME}", "value": "{$METRICS.NOT_MATCHES}", "operator": "NOT_MATCHES_REGEX"}
    return {"evaltype": "AND", "conditions": [wanted, unwanted | {"formulaid": "B"}]}


def choice(matches: str = ".*", skips: str = "CHANGE_IF_NEEDED") -> list[Doc]:
    """Return the macros by which names of metrics are chosen: regular expressions. The default skips none."""
    return [
        macro("METRICS.MATCHES", matches, "Metrics with such names get items"),
        macro("METRICS.NOT_MATCHES", skips, "Metrics with such names get none"),
    ]


def trigger(template: str, name: str, expression: str, severity: str, **more: object) -> Doc:
    """Return a trigger whose problems are about the instance itself, not a threshold of its service."""
    return {
        "uuid": uuid("trigger", template, name),
        "expression": expression,
        "name": name,
        "priority": SEVERITIES[severity],
        "manual_close": "YES",
        "tags": [tag("concierge", "liveness")],
    } | more


def hysteresis(recovery: str) -> Doc:
    return {"recovery_mode": "RECOVERY_EXPRESSION", "recovery_expression": recovery}


def template(name: str, group: str, about: str = "", parents: Iterable[str] = (), **more: object) -> Doc:
    """Return a template; its fields stand in the order of an export, else a comparison calls it changed."""
    doc: Doc = {"uuid": uuid("template", name), "template": name, "name": name}
    if about:
        doc["description"] = about
    if parents:
        doc["templates"] = [{"name": parent} for parent in sorted(parents)]
    return doc | {"groups": [{"name": group}]} | more


def tag(name: str, value: str) -> Doc:
    return {"tag": name, "value": value}


def macro(name: str, value: str, about: str) -> Doc:
    doc = {"macro": f"{{${name}}}", "value": value, "description": about}
    return doc if value else _without(doc, "value")


def _without(doc: Doc, field: str) -> Doc:
    return {key: value for key, value in doc.items() if key != field}
