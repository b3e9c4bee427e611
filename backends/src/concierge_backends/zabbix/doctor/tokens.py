"""What the tokens of the running services may do: each method is tried where it can do no harm."""

import re
from typing import Any, NamedTuple

from concierge_backends.zabbix import api, names
from concierge_backends.zabbix.doctor import finding
from concierge_backends.zabbix.doctor.finding import Finding, Patient
from concierge_backends.zabbix.provision import people
from concierge_proto import errors, settings

APPLY = "run `concierge zabbix apply`"
_ALLOWED = re.compile("cannot be empty|empty input", re.IGNORECASE)
"""What a method says about nothing at all, to those who may call it."""


class Token(NamedTuple):
    """A setting of `[monitoring.zabbix]`, who it belongs to, and what fails without it."""

    check: str
    setting: str
    who: people.Identity
    without: str


RUNTIME = Token(
    "token",
    "api_token_file",
    people.RUNTIME,
    "no comments on problems, and lost webhooks stay lost",
)
KEEPER = Token(
    "host keeper",
    "keeper_token_file",
    people.KEEPER,
    "hosts register themselves, and stay after their instances",
)


async def check(door: api.Api, patient: Patient) -> list[Finding]:
    """Log in with each token, and try what the services do with it. Raises Temporary, Permanent."""
    return [await _examine(door, patient, RUNTIME), await _examine(door, patient, KEEPER)]


async def _examine(door: api.Api, patient: Patient, token: Token) -> Finding:
    own, setting = patient.config.monitoring.zabbix, f"{patient.section}.{token.setting}"
    file = getattr(own, token.setting)
    if not file:
        return finding.warning(
            token.check,
            f"{setting} is not set: {token.without}",
            f"make a token of the user {token.who.user}",
        )
    try:
        text = settings.read_secret(file, setting)[0]
        async with api.connect(own.api_url or patient.url, api.Login(token=text), own.ca_file) as ours:
            refused = [method for method in token.who.methods if not await _may(ours, method)]
            unread = [] if refused or token is KEEPER else await _unread(door, ours, patient)
    except errors.ConciergeError as error:
        return finding.broken(token.check, str(error), f"{APPLY}: it writes a new token to {file}")
    return _judge(token, file, refused, unread)


def _judge(token: Token, file: str, refused: list[str], unread: list[str]) -> Finding:
    if refused:
        return finding.broken(
            token.check,
            f"the user of {file} may not call {', '.join(refused)}",
            f"use a token of the user {token.who.user}, whose role allows it; {APPLY} if the role was changed",
        )
    if unread:
        return finding.broken(
            token.check,
            f"the user of {file} may not read {', '.join(unread)}",
            f"give its user group read on the host groups of Concierge, or {APPLY}",
        )
    return finding.ok(token.check, f"{file} may do what its service does")


async def _may(ours: api.Api, method: str) -> bool:
    """Try a method on nothing; raise Permanent where the token itself is refused."""
    params: Any = {"limit": 1} if method.endswith(".get") else []
    if method == "event.acknowledge":
        params = {"eventids": [], "action": 4}
    try:
        await ours.call(method, params)
    except errors.Permanent as error:
        if "No permissions to call" in str(error):
            return False
        if not _ALLOWED.search(str(error)):
            raise
    return True


async def _unread(door: api.Api, ours: api.Api, patient: Patient) -> list[str]:
    hosts = [names.service_host(patient.config, service) for service in patient.config.services]
    question = {"filter": {"host": hosts}, "output": ["host"]}
    there = {one["host"] for one in await door.call("host.get", question)}
    seen = {one["host"] for one in await ours.call("host.get", question)}
    return sorted(there - seen)
