"""Whether we get in: the trapper port, the API, and what the token of the running services may do."""

from typing import Any

from concierge_backends.zabbix import api, framing, names, nodes, packets, secure
from concierge_backends.zabbix.doctor import finding
from concierge_backends.zabbix.doctor.finding import Finding, Patient
from concierge_backends.zabbix.provision import people
from concierge_proto import errors, settings

TRIED = ("6.0", "7.0")
PORT = "write the address of ListenPort in zabbix_server.conf into monitoring.zabbix.servers, and look at the firewall"
APPLY = "run `concierge zabbix apply`"


async def trapper(patient: Patient) -> list[Finding]:
    """Knock at every server; of a cluster's nodes only the active one listens."""
    own = patient.config.monitoring.zabbix
    line = nodes.Nodes(own.servers, own.timeout, secure.context(own))
    answers = {server: await _knock(line, server) for server in own.servers}
    silent = {server: trouble for server, trouble in answers.items() if trouble}
    if len(silent) == len(answers):
        return [finding.broken("trapper", "; ".join(silent.values()), PORT)]
    open_ones = ", ".join(server for server in answers if server not in silent)
    rest = f"; no answer from {', '.join(silent)}: standby nodes" if silent else ""
    return [finding.ok("trapper", f"{open_ones} takes values{rest}")]


async def _knock(line: nodes.Nodes, server: str) -> str:
    """Return what is wrong; "" for a trapper port that takes values."""
    try:
        reply = packets.answer(await line.exchange([server], framing.pack(packets.values(()))))
    except errors.ConciergeError as error:
        return str(error)
    answered = reply.get("response") == "success" or packets.redirect(reply)
    return "" if answered else f"{server} answers {reply.get('info') or reply}"


async def version(door: api.Api, patient: Patient) -> list[Finding]:
    detail = f"Zabbix {door.version} at {patient.url}"
    if door.version.startswith(tuple(f"{one}." for one in TRIED)):
        return [finding.ok("API", detail)]
    return [finding.warning("API", detail, f"Concierge is tried on {' and '.join(TRIED)}")]


async def token(door: api.Api, patient: Patient) -> list[Finding]:
    """Log in as the running services do, and try what they do."""
    own = patient.config.monitoring.zabbix
    if not own.api_token_file:
        missing = "monitoring.zabbix.api_token_file is not set: no comments, and lost webhooks stay lost"
        return [finding.warning("token", missing, f"make a token of the user {people.USER} for it")]
    text = settings.read_secret(own.api_token_file, "monitoring.zabbix.api_token_file")[0]
    async with api.connect(own.api_url or patient.url, api.Login(token=text), own.ca_file) as ours:
        refused = [method for method in people.METHODS if not await _may(ours, method)]
        unread = [] if "host.get" in refused else await _unread(door, ours, patient)
    return [_judge(own.api_token_file, refused, unread)]


def _judge(file: str, refused: list[str], unread: list[str]) -> Finding:
    if refused:
        return finding.broken(
            "token",
            f"the user of {file} may not call {', '.join(refused)}",
            f"use a token of the user {people.USER}, whose role allows it; {APPLY} if the role was changed",
        )
    if unread:
        return finding.broken(
            "token",
            f"the user of {file} may not read {', '.join(unread)}",
            f"give its user group read on the host groups of Concierge, or {APPLY}",
        )
    return finding.ok("token", f"{file} may read our hosts and write comments")


async def _may(ours: api.Api, method: str) -> bool:
    """Try a method where it can do no harm; raise Permanent where the token itself is refused."""
    params: dict[str, Any] = {"limit": 1} if method.endswith(".get") else {"eventids": [], "action": 4}
    try:
        await ours.call(method, params)
    except errors.Permanent as error:
        words = str(error)
        if "No permissions to call" in words:
            return False
        if "cannot be empty" not in words:
            raise
    return True


async def _unread(door: api.Api, ours: api.Api, patient: Patient) -> list[str]:
    hosts = [names.service_host(patient.config, service) for service in patient.config.services]
    question = {"filter": {"host": hosts}, "output": ["host"]}
    there = {one["host"] for one in await door.call("host.get", question)}
    seen = {one["host"] for one in await ours.call("host.get", question)}
    return sorted(there - seen)
