"""Who carries the webhook: the media type, its secret, and the user to whom it goes."""

import re
from typing import Any

from concierge_backends.zabbix import api, names
from concierge_backends.zabbix.doctor import finding
from concierge_backends.zabbix.doctor.finding import Finding, Patient
from concierge_backends.zabbix.provision import media, people, services
from concierge_proto import settings

APPLY = "run `concierge zabbix apply`"
ENABLE = "enable it in the front end"
ON = "0"
SUPER = "3"
"""The type of a role that reads everything."""
_PERIOD = re.compile(r"(\d)(?:-(\d))?,(\d{1,2}):(\d\d)-(\d{1,2}):(\d\d)")
_DAY = 24 * 60


async def media_type(door: api.Api, patient: Patient) -> list[Finding]:
    """Compare the media type and the fingerprint of its secret with what `apply` would write."""
    found = await door.call("mediatype.get", {"filter": {"name": media.NAME}})
    macros = await door.call("usermacro.get", {"globalmacro": True, "filter": {"macro": media.SECRET}})
    return [_media(found, patient), _secret(macros, patient), *_bearer(patient.config)]


def _media(found: list[dict[str, Any]], patient: Patient) -> Finding:
    check = f"media type {media.NAME!r}"
    if not found:
        return finding.broken(check, "missing", APPLY)
    (one,) = found
    if one["status"] != ON:
        return finding.broken(check, "disabled", ENABLE)
    called = {pair["name"]: pair["value"] for pair in one["parameters"]}.get("gateway", "")
    if called != patient.hook:
        remedy = f"set gateway.public_url to where Zabbix reaches the gateway, and {APPLY}"
        return finding.broken(check, f"it calls {called}, and the configuration says {patient.hook}", remedy)
    if one["script"].strip().replace("\r\n", "\n") != media.script():
        return finding.broken(check, "its script is not that of this version", APPLY)
    longest = attempts(one)
    if longest >= services.LEAST_STEP:
        detail = f"its attempts take {longest:g} s: the next step comes after {services.LEAST_STEP} s"
        return finding.warning(check, detail, APPLY)
    return finding.ok(check, f"calls {called}")


def attempts(found: dict[str, Any]) -> float:
    """Return the seconds until the last attempt is over; user macros count as nothing."""
    number, pause, limit = (
        float(text) if (text := found[field].rstrip("s")).isdecimal() else 0.0
        for field in ("maxattempts", "attempt_interval", "timeout")
    )
    return number * limit + (number - 1) * pause


def _bearer(config: settings.Settings) -> list[Finding]:
    """Zabbix's HttpRequest checks no certificate: a token goes to whoever stands in between, a signature does no harm."""
    return [
        finding.warning(
            "bearer",
            f"gateway.sources.{name}.token_file: Zabbix checks no certificate, and whoever is in between reads the token",
            "remove token_file: the media type signs by secret_file",
        )
        for name, source in config.gateway.sources.items()
        if source.kind == "zabbix" and source.token_file
    ]


def _secret(found: list[dict[str, Any]], patient: Patient) -> Finding:
    check, wanted = "webhook secret", media.macro(patient.secret)["description"]
    if not found:
        return finding.broken(check, f"the macro {media.SECRET} is missing", APPLY)
    if found[0].get("description") != wanted:
        return finding.broken(
            check, f"the macro {media.SECRET} holds another secret than the gateway's secret_file", APPLY
        )
    return finding.ok(check, f"{media.SECRET} has the fingerprint of the gateway's")


async def user(door: api.Api, patient: Patient) -> list[Finding]:
    """Look at the recipient: its media, its groups, and whether it may read what it is told of."""
    found = await door.call(
        "user.get",
        {
            "filter": {"username": people.USER},
            "selectMedias": "extend",
            "selectUsrgrps": ["usrgrpid", "name", "users_status"],
            "selectRole": ["type"],
        },
    )
    if not found:
        return [finding.broken("recipient", f"there is no user {people.USER!r}", APPLY)]
    types = await door.call("mediatype.get", {"filter": {"name": media.NAME}, "output": ["mediatypeid"]})
    ours = [one["mediatypeid"] for one in types]
    carried = [one for one in found[0]["medias"] if one["mediatypeid"] in ours]
    return [_media_of(carried, patient.config), await _reading(door, patient, found[0])]


def _media_of(carried: list[dict[str, Any]], config: settings.Settings) -> Finding:
    check, who = "media", f"the media of user {people.USER!r}"
    if not carried:
        return finding.broken(check, f"user {people.USER!r} has no media of type {media.NAME!r}", APPLY)
    one = carried[0]
    if one["active"] != ON:
        return finding.broken(check, f"{who} is disabled", ENABLE)
    deaf = sorted(
        {threshold.severity for threshold in _thresholds(config)} - severities(int(one["severity"]))
    )
    if deaf:
        detail = f"{who} is not used for severity {', '.join(map(str, deaf))}, which our triggers have"
        return finding.broken(check, detail, APPLY)
    if not whole_week(one["period"]):
        detail = f"{who} is active only in {one['period']}: outside of it no webhook is sent"
        return finding.broken(check, detail, "set its period to 1-7,00:00-24:00")
    return finding.ok(check, f"{who} is on at all times, for every severity of ours")


def _thresholds(config: settings.Settings) -> list[settings.Threshold]:
    return [threshold for service in config.services.values() for threshold in service.triggers]


def severities(mask: int) -> set[int]:
    return {bit for bit in range(6) if mask & 1 << bit}


def whole_week(period: str) -> bool:
    """Whether `1-5,09:00-18:00;6-7,…` leaves no minute of a week out; a macro cannot be read, and counts as not."""
    week = bytearray(7 * _DAY)
    for first, last, *times in _PERIOD.findall(period):
        hour, minute, to_hour, to_minute = map(int, times)
        begin, end = 60 * hour + minute, min(_DAY, 60 * to_hour + to_minute)
        for day in range(int(first) - 1, min(7, int(last or first))):
            week[day * _DAY + begin : day * _DAY + end] = b"\x01" * max(0, end - begin)
    return all(week)


async def _reading(door: api.Api, patient: Patient, who: dict[str, Any]) -> Finding:
    check, name = "recipient", who["username"]
    off = [group["name"] for group in who["usrgrps"] if group["users_status"] != ON]
    if off:
        return finding.broken(check, f"user {name!r} is in a disabled user group: {', '.join(off)}", ENABLE)
    if who.get("timezone") != "UTC":
        detail = (
            f"the time zone of user {name!r} is {who.get('timezone')!r}: the webhook's times are read as UTC"
        )
        return finding.broken(check, detail, APPLY)
    blind = [] if who["role"]["type"] == SUPER else await _unreadable(door, patient, who)
    if blind:
        detail = f"user {name!r} may not read {', '.join(blind)}: Zabbix sends it nothing of them"
        return finding.broken(check, detail, f"give its user group read on their host group, or {APPLY}")
    return finding.ok(check, f"user {name!r} may read the hosts of all services")


async def _unreadable(door: api.Api, patient: Patient, who: dict[str, Any]) -> list[str]:
    rights, groups = ("hostgroup_rights", "hostgroups") if door.seven else ("rights", "groups")
    of_groups = await door.call(
        "usergroup.get",
        {
            "usrgrpids": [group["usrgrpid"] for group in who["usrgrps"]],
            "selectHostGroupRights" if door.seven else "selectRights": "extend",
        },
    )
    allowed, denied = split([right for group in of_groups for right in group[rights]])
    hosts = [names.service_host(patient.config, service) for service in patient.config.services]
    select = "selectHostGroups" if door.seven else "selectGroups"
    found = await door.call("host.get", {"filter": {"host": hosts}, "output": ["host"], select: ["groupid"]})
    own = {one["host"]: {group["groupid"] for group in one[groups]} for one in found}
    return [host for host, ids in own.items() if not ids & allowed or ids & denied]


def split(rights: list[dict[str, str]]) -> tuple[set[str], set[str]]:
    """Return the host groups that may be read, and those that are denied: a denial wins."""
    denied = {right["id"] for right in rights if right["permission"] == "0"}
    return {right["id"] for right in rights} - denied, denied
