"""How busy the server's own processes are and how full its caches, where Zabbix watches itself."""

from collections.abc import Mapping
from typing import NamedTuple

from concierge_backends.zabbix import api
from concierge_backends.zabbix.doctor import finding
from concierge_backends.zabbix.doctor.finding import Finding


class Watched(NamedTuple):
    """A percentage: the item that has it, and what to raise in zabbix_server.conf when it is high."""

    key: str
    parameter: str


PROCESSES = {
    "trapper": Watched("zabbix[process,trapper,avg,busy]", "StartTrappers"),
    "alerter": Watched("zabbix[process,alerter,avg,busy]", "StartAlerters"),
    "escalator": Watched("zabbix[process,escalator,avg,busy]", "StartEscalators"),
    "history syncer": Watched("zabbix[process,history syncer,avg,busy]", "StartDBSyncers"),
}
CACHES = {
    "trends": Watched("zabbix[wcache,trend,pused]", "TrendCacheSize"),
    "history": Watched("zabbix[wcache,history,pused]", "HistoryCacheSize"),
    "configuration": Watched("zabbix[rcache,buffer,pused]", "CacheSize"),
}
"""When that of the trends is full, 7.0 ends itself; each instance that came and went takes room in it for an hour."""
HIGH = 75.0
"""Percent, as Zabbix's own template judges."""


async def look(door: api.Api) -> list[Finding]:
    keys = [one.key for one in (*PROCESSES.values(), *CACHES.values())]
    found = await door.call(
        "item.get",
        {"filter": {"key_": keys}, "monitored": True, "output": ["key_", "lastvalue", "lastclock"]},
    )
    values = {one["key_"]: float(one["lastvalue"]) for one in found if int(one["lastclock"])}
    if not values:
        detail = "not watched: Concierge uses half of StartTrappers=5, and StartAlerters=3 carry its webhooks"
        return [finding.ok("processes", f"{detail}; the template 'Zabbix server health' would tell")]
    groups = (("processes", "busy", PROCESSES), ("caches", "in use", CACHES))
    return [
        judge(check, how, group, values)
        for check, how, group in groups
        if any(one.key in values for one in group.values())
    ]


def judge(check: str, how: str, group: Mapping[str, Watched], values: Mapping[str, float]) -> Finding:
    """Take percentages by key of item."""
    known = {name: values[one.key] for name, one in group.items() if one.key in values}
    high = {name: value for name, value in known.items() if value > HIGH}
    said = ", ".join(f"{name} {value:.0f} %" for name, value in (high or known).items())
    if high:
        raised = ", ".join(group[name].parameter for name in high)
        return finding.warning(check, f"{how}: {said}", f"raise {raised} in zabbix_server.conf")
    return finding.ok(check, f"{how}: {said}")
