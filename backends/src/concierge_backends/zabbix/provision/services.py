"""The host that stands for a service: its aggregates, and the triggers of its thresholds."""

from typing import NamedTuple

from concierge_backends.zabbix import keys, names, problems
from concierge_backends.zabbix.provision import elements, ledger
from concierge_backends.zabbix.provision.ledger import Doc
from concierge_proto import errors, settings

SILENT = "1m"
"""No aggregates for so long: a threshold is not judged on what no longer is."""
LEAST_STEP = 60
"""Seconds: Zabbix knows no shorter escalation step."""

HOST = ledger.Kind("host", "host", "hostid", "host", shared=("groups", "templates", "tags"))
MACRO = ledger.Kind("host macro", "usermacro", "hostmacroid", "macro", fixed=("hostid",))


class Guard(NamedTuple):
    """What must hold for a threshold to be judged, and how its end is written."""

    holds: str
    broken: str


def host(config: settings.Settings, service: str, group: str, template: str) -> Doc:
    return {
        "host": names.service_host(config, service),
        "groups": [{"groupid": group}],
        "templates": [{"templateid": template}],
        "tags": [{"tag": "concierge", "value": "service"}, {"tag": "service", "value": service}],
    }


def macros(config: settings.Settings, service: str, host_id: str) -> list[Doc]:
    """Each by itself: a host's list of macros would take away an administrator's own."""
    values = {
        "{$SERVICE_HOSTGROUP}": names.host_group(config, service),
        "{$FRESH}": seconds(config.services[service].fresh),
    }
    return [{"hostid": host_id, "macro": name, "value": value} for name, value in values.items()]


def items(service: settings.Service, host_id: str) -> list[Doc]:
    """Each aggregate twice: delivered, and calculated by Zabbix."""
    docs: list[Doc] = []
    for one in names.tracked(service):
        title = f"{one.metric.name} {one.metric.field}: {one.of} of all instances"
        docs.append(elements.item(host_id, one.key, title))
        docs.append(
            elements.calculated(
                host_id, one.key.replace("service.", "foreach.", 1), f"{title} (calculated)", formula(one)
            )
        )
    return docs


def formula(one: names.Tracked) -> str:
    """Return Zabbix's own aggregate, in the form that means the same on 6.0 and 7.0."""
    inner = one.of if one.of in {"max", "min"} else "avg"
    key = keys.key(one.metric.kind, one.metric.name, one.metric.field)
    return f'{one.of}({inner}_foreach(/*/{key}?[group="{{$SERVICE_HOSTGROUP}}"],{{$FRESH}}))'


def trigger(config: settings.Settings, service: str, threshold: settings.Threshold) -> Doc:
    """Return the trigger of a threshold, with hysteresis where it asks for it."""
    own = config.services[service]
    where = names.service_host(config, service)
    recovery = _recovery(threshold, where, own)
    doc: Doc = {
        "description": threshold.name,
        "expression": _expression(threshold, where, own),
        "recovery_mode": 1 if recovery else 0,
        "priority": threshold.severity,
        "manual_close": 1,
        "tags": [
            dict(zip(("tag", "value"), elements.THRESHOLD, strict=True)),
            {"tag": "service", "value": service},
            {"tag": problems.ACTION, "value": threshold.action},
        ],
    }
    return doc | ({"recovery_expression": recovery} if recovery else {})


def _expression(threshold: settings.Threshold, where: str, service: settings.Service) -> str:
    item = f"/{where}/{names.watched(threshold)}"
    above = threshold.above is not None
    sign, limit = (">", threshold.above) if above else ("<", threshold.below)
    if threshold.for_:
        span = seconds(threshold.for_)
        worst = "min" if above else "max"
        # The value before the span too: else the first value after a silence would last for all of it.
        parts = [
            f"{worst}({item},{span}){sign}{number(limit)}",
            f"last({item},#1:now-{span}){sign}{number(limit)}",
        ]
    else:
        parts = [f"last({item}){sign}{number(limit)}"]
    return " and ".join(parts + [guard.holds for guard in _guards(threshold, where, service)])


def _guards(threshold: settings.Threshold, where: str, service: settings.Service) -> list[Guard]:
    """A value stays the last one for ever: it counts while it is measured, and enough instances are heard to lose one."""
    heard, watched = f"/{where}/{names.HEARD}", f"/{where}/{names.watched(threshold)}"
    if threshold.metric in names.COUNTS:
        return [_told(heard)]
    least = service.min if threshold.action.startswith("scale_in") and service.heard else 0
    return [Guard(f"last({heard})>{least}", f"last({heard})<={least}"), _told(heard), _told(watched)]


def _told(item: str) -> Guard:
    """A value of the last minute: instances may be heard that measure it no longer."""
    return Guard(f"nodata({item},{SILENT})=0", f"nodata({item},{SILENT})=1")


def _recovery(threshold: settings.Threshold, where: str, service: settings.Service) -> str:
    """Beyond `recovers`, or as soon as a guard no longer holds. "": where the expression no longer holds."""
    if threshold.recovers is None:
        return ""
    sign = "<" if threshold.above is not None else ">"
    beyond = f"last(/{where}/{names.watched(threshold)}){sign}{number(threshold.recovers)}"
    return " or ".join([beyond, *(guard.broken for guard in _guards(threshold, where, service))])


def step(threshold: settings.Threshold) -> str:
    return seconds(max(LEAST_STEP, threshold.repeat_every))


def seconds(duration: float) -> str:
    """Whole seconds, at least one: Zabbix knows no less."""
    return f"{max(1, round(duration))}s"


def number(value: float | None) -> str:
    """Return a number as Zabbix's expressions write it: without an exponent."""
    if value is None:
        raise errors.Malformed("a threshold needs `above` or `below`")
    return f"{value:f}".rstrip("0").rstrip(".")


async def settle(
    book: ledger.Ledger, config: settings.Settings, group: str, template: str
) -> dict[tuple[str, str], str]:
    """Make the hosts of all services; return the trigger ids by service and threshold."""
    docs = [host(config, service, group, template) for service in config.services]
    found = await book.find(
        "host.get",
        {
            "filter": {"host": [doc["host"] for doc in docs]},
            "selectHostGroups" if book.seven else "selectGroups": "extend",
            "selectParentTemplates": ["templateid"],
            "selectTags": "extend",
        },
    )
    for doc in found:
        doc["groups"] = doc.get("hostgroups", doc.get("groups"))
        doc["templates"] = doc["parentTemplates"]
    ids = await book.settle(HOST, docs, found)
    triggers: dict[tuple[str, str], str] = {}
    for name, service in config.services.items():
        host_id = ids[names.service_host(config, name)]
        found = await book.find("usermacro.get", {"hostids": [host_id]}, host_id)
        await book.settle(MACRO, macros(config, name, host_id), found)
        await elements.settle_items(book, host_id, items(service, host_id))
        wanted = [trigger(config, name, threshold) for threshold in service.triggers]
        made = await elements.settle_triggers(book, host_id, wanted)
        triggers |= {(name, threshold): number for threshold, number in made.items()}
    return triggers
