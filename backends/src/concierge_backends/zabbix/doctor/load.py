"""How busy the server's own processes are, where Zabbix watches itself."""

from concierge_backends.zabbix import api
from concierge_backends.zabbix.doctor import finding
from concierge_backends.zabbix.doctor.finding import Finding

PARAMETERS = {
    "trapper": "StartTrappers",
    "alerter": "StartAlerters",
    "escalator": "StartEscalators",
    "history syncer": "StartDBSyncers",
}
"""Process to its number in zabbix_server.conf."""
BUSY = 75.0
"""Percent, as Zabbix's own template judges."""


async def processes(door: api.Api) -> list[Finding]:
    wanted = {f"zabbix[process,{name},avg,busy]": name for name in PARAMETERS}
    found = await door.call(
        "item.get",
        {"filter": {"key_": list(wanted)}, "monitored": True, "output": ["key_", "lastvalue", "lastclock"]},
    )
    values = {wanted[one["key_"]]: float(one["lastvalue"]) for one in found if int(one["lastclock"])}
    if not values:
        detail = "not watched: Concierge uses half of StartTrappers=5, and StartAlerters=3 carry its webhooks"
        return [finding.ok("processes", f"{detail}; the template 'Zabbix server health' would tell")]
    return [judge(values)]


def judge(values: dict[str, float]) -> Finding:
    """Take the percentage in which each kind of process was busy."""
    busy = {name: value for name, value in values.items() if value > BUSY}
    if busy:
        said = ", ".join(f"{name} {value:.0f} %" for name, value in busy.items())
        raised = ", ".join(PARAMETERS[name] for name in busy)
        return finding.warning("processes", f"busy: {said}", f"raise {raised} in zabbix_server.conf")
    said = ", ".join(f"{name} {value:.0f} %" for name, value in values.items())
    return finding.ok("processes", f"busy: {said}")
