"""Whether we get in: the trapper port and the API."""

from concierge_backends.zabbix import api, framing, nodes, packets, secure
from concierge_backends.zabbix.doctor import finding
from concierge_backends.zabbix.doctor.finding import Finding, Patient
from concierge_proto import errors

TRIED = ("6.0", "7.0")
PORT = "write the address of ListenPort in zabbix_server.conf into {}.servers, and look at the firewall"


async def used(patient: Patient) -> list[Finding]:
    """Look whether anything is sent there at all."""
    if patient.backend in patient.config.monitoring.backends:
        return []
    detail = f"monitoring.backends does not name {patient.backend}: nothing is sent there"
    return [finding.warning("backend", detail, f"add {patient.backend!r} to monitoring.backends")]


async def trapper(patient: Patient) -> list[Finding]:
    """Knock at every server; of a cluster's nodes only the active one listens."""
    own = patient.config.monitoring.zabbix
    line = nodes.Nodes(own.servers, own.timeout, secure.context(own))
    answers = {server: await _knock(line, server) for server in own.servers}
    silent = {server: trouble for server, trouble in answers.items() if trouble}
    if len(silent) == len(answers):
        return [finding.broken("trapper", "; ".join(silent.values()), PORT.format(patient.section))]
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


def closed(patient: Patient) -> Finding:
    """Of a further cluster that has no API it is not told why values are lost; it hears them all the same."""
    detail = f"{patient.section}.api_url is not set: its hosts and items were not looked at"
    return finding.warning("API", detail, "set it, and api_token_file: lost values are explained then, too")


async def version(door: api.Api, patient: Patient) -> list[Finding]:
    detail = f"Zabbix {door.version} at {patient.url}"
    if door.version.startswith(tuple(f"{one}." for one in TRIED)):
        return [finding.ok("API", detail)]
    return [finding.warning("API", detail, f"Concierge is tried on {' and '.join(TRIED)}")]
