"""From a service's host to the action: what `apply` made, as it is now."""

from typing import Any

from concierge_backends.zabbix import api, names, outcomes
from concierge_backends.zabbix.doctor import finding
from concierge_backends.zabbix.doctor.finding import Finding, Patient
from concierge_backends.zabbix.provision import actions, services
from concierge_backends.zabbix.provision.library import service as template
from concierge_proto import settings

APPLY = "run `concierge zabbix apply`"
ENABLE = "enable it in the front end"
LATE = 300.0
"""Seconds after a cooldown in which the next step should come."""
NOTHING_YET = "not enough data"
ON = "0"
"""Zabbix's `status` and `state` of what works."""


async def service(door: api.Api, patient: Patient, name: str) -> list[Finding]:
    """Look at a service's host, its items, triggers and actions."""
    host_name = names.service_host(patient.config, name)
    found = await door.call(
        "host.get",
        {
            "filter": {"host": host_name},
            "output": ["hostid", "status"],
            "selectParentTemplates": ["host"],
        },
    )
    if not found:
        return [finding.broken(f"{name}: host", f"there is no host {host_name!r}", APPLY)]
    config, (host,) = patient.config.services[name], found
    values = [_host(name, host_name, host), await _items(door, name, config, host["hostid"])]
    if patient.cluster:
        return values + await _twice(door, name, config)
    return [
        *values,
        *await _triggers(door, name, config, host["hostid"]),
        *await _actions(door, name, config),
    ]


def _host(name: str, host_name: str, host: dict[str, Any]) -> Finding:
    check = f"{name}: host"
    if host["status"] != ON:
        return finding.broken(check, f"host {host_name!r} is disabled", ENABLE)
    linked = [one["host"] for one in host["parentTemplates"]]
    if template.NAME not in linked:
        return finding.broken(check, f"template {template.NAME!r} is not linked to host {host_name!r}", APPLY)
    return finding.ok(check, f"{host_name!r}, with template {template.NAME!r}")


def keys(config: settings.Service) -> list[str]:
    """Return the keys of the items that the forwarder feeds."""
    fixed = [names.HEARD, names.RUNNING, outcomes.WANTED, outcomes.OUTCOME, outcomes.REACTION]
    return fixed + [one.key for one in names.tracked(config)]


async def _items(door: api.Api, name: str, config: settings.Service, host: str) -> Finding:
    check, wanted = f"{name}: items", keys(config)
    output = ["key_", "status", "state", "error"]
    found = await door.call("item.get", {"hostids": [host], "filter": {"key_": wanted}, "output": output})
    missing = sorted(set(wanted) - {one["key_"] for one in found})
    if missing:
        return finding.broken(check, f"missing: {', '.join(missing)}", APPLY)
    disabled = [one["key_"] for one in found if one["status"] != ON]
    if disabled:
        return finding.broken(check, f"disabled: {', '.join(disabled)}", ENABLE)
    odd = [f"{one['key_']} ({one['error']})" for one in found if one["state"] != ON]
    if odd:
        return finding.broken(
            check,
            f"not supported: {', '.join(odd)}",
            "look for another sender of these keys, then send a good value",
        )
    return finding.ok(check, f"{len(wanted)} present and supported")


async def _triggers(door: api.Api, name: str, config: settings.Service, host: str) -> list[Finding]:
    output = ["description", "status", "state", "error"]
    found = await door.call("trigger.get", {"hostids": [host], "output": output})
    have = {one["description"]: one for one in found}
    return [
        _trigger(f"{name}: trigger {threshold.name!r}", have.get(threshold.name))
        for threshold in config.triggers
    ]


def _trigger(check: str, found: dict[str, Any] | None) -> Finding:
    if found is None:
        return finding.broken(check, "missing", APPLY)
    if found["status"] != ON:
        return finding.broken(check, "disabled", ENABLE)
    if found["state"] != ON and NOTHING_YET in found["error"]:
        detail = "cannot be judged: no values came yet"
        return finding.warning(check, detail, "start an instance of the service, with a courier")
    if found["state"] != ON:
        return finding.broken(
            check, f"cannot be judged: {found['error']}", "see to the items that its expression names"
        )
    return finding.ok(check, "monitored")


async def _twice(door: api.Api, name: str, config: settings.Service) -> list[Finding]:
    """Two clusters see the same load: were both to ask, each step would be taken twice."""
    wanted = [actions.name(name, threshold.name) for threshold in config.triggers]
    on = await door.call("action.get", {"filter": {"name": wanted, "status": ON}, "output": ["name"]})
    detail = "is enabled here too: its steps come beside those of monitoring.zabbix"
    return [
        finding.warning(f"{name}: action {one['name']!r}", detail, APPLY)
        for one in on
        if one["name"] in wanted
    ]


async def _actions(door: api.Api, name: str, config: settings.Service) -> list[Finding]:
    wanted = {actions.name(name, threshold.name): threshold for threshold in config.triggers}
    question = {"filter": {"name": list(wanted)}, "selectOperations": "extend"}
    found = {one["name"]: one for one in await door.call("action.get", question)} if wanted else {}
    return [
        _action(f"{name}: action {title!r}", config, threshold, found.get(title))
        for title, threshold in wanted.items()
    ]


def _action(
    check: str, config: settings.Service, threshold: settings.Threshold, found: dict[str, Any] | None
) -> Finding:
    if found is None:
        return finding.broken(check, "missing", APPLY)
    if found["status"] != ON:
        return finding.broken(check, "disabled", ENABLE)
    said = [one["opmessage"].get("subject") for one in found["operations"] if one.get("opmessage")]
    if threshold.action not in said:
        return finding.broken(check, f"says {said} instead of {threshold.action!r}", APPLY)
    if found["esc_period"] != services.step(threshold):
        detail = f"steps every {found['esc_period']}, and the configuration says {services.step(threshold)}"
        return finding.broken(check, detail, APPLY)
    return _pace(check, config, threshold)


def _pace(check: str, config: settings.Service, threshold: settings.Threshold) -> Finding:
    """Compare the escalation step with the cooldown of its direction."""
    inward = threshold.action.startswith("scale_in")
    setting = "cooldown_in" if inward else "cooldown_out"
    cooldown = config.cooldown_in if inward else config.cooldown_out
    step = max(services.LEAST_STEP, threshold.repeat_every)
    paces = f"steps every {step:g} s, {setting} is {cooldown:g} s"
    if step < cooldown:
        remedy = f"set repeat_every to {cooldown:g}s: the steps between only wait"
        return finding.warning(check, f"{paces}: a step is shorter than the cooldown", remedy)
    if step > max(cooldown, services.LEAST_STEP) + LATE:
        remedy = f"set repeat_every nearer to {max(cooldown, services.LEAST_STEP):g}s"
        return finding.warning(check, f"{paces}: the service could act long before its next step", remedy)
    return finding.ok(check, paces)
