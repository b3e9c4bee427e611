"""`concierge zabbix doctor`: walks the road from a value to the webhook, and says what is broken and what helps.

`access` asks whether we get in, `tokens` what the services may do, `road` looks at each service, `recipient` at who carries the webhook, `load` at the
server itself; `probe` tries all of it on a `bench` of its own. Each check is a `finding`.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import partial

from msgspec import structs

from concierge_backends.zabbix import api
from concierge_backends.zabbix.doctor import access, finding, load, probe, recipient, road, tokens
from concierge_backends.zabbix.doctor.finding import Finding, Patient
from concierge_proto import errors

__all__ = ["Finding", "Patient", "walk"]

FRONT_END = "see that the front end runs and api_url is its address; then the user and the password"
RIGHTS = "call as a super admin"

Section = Callable[[], Awaitable[list[Finding]]]


async def walk(patient: Patient, login: api.Login, *, tried: bool = True) -> AsyncGenerator[Finding, None]:
    """Yield a finding for each check, in the order of the road.

    Args:
        patient: What is examined: the cluster that asks for steps, or a further one, which only hears values.
        login: A super admin.
        tried: Also try the road with a value, on an item, a trigger and an action that are removed again.
    """
    async for found in _walk(patient, login, tried=tried):
        yield structs.replace(found, cluster=patient.cluster, remedy=_aimed(found.remedy, patient.cluster))


def _aimed(remedy: str, cluster: str) -> str:
    return remedy.replace(road.APPLY, f"{road.APPLY[:-1]} --cluster {cluster}`") if cluster else remedy


async def _walk(patient: Patient, login: api.Login, *, tried: bool) -> AsyncGenerator[Finding, None]:
    for found in await access.used(patient):
        yield found
    port = access.PORT.format(patient.section)
    for found in await _safely("trapper", partial(access.trapper, patient), port):
        yield found
    if patient.cluster and not patient.url:
        yield access.closed(patient)
        return
    try:
        async with api.connect(patient.url, login, patient.config.monitoring.zabbix.ca_file) as door:
            async for found in _inside(door, patient, tried=tried):
                yield found
    except errors.ConciergeError as error:
        yield finding.broken("API", str(error), FRONT_END)


async def _inside(door: api.Api, patient: Patient, *, tried: bool) -> AsyncGenerator[Finding, None]:
    sections: list[tuple[str, Section, str]] = [
        ("API", partial(access.version, door, patient), FRONT_END),
        ("tokens", partial(tokens.check, door, patient), RIGHTS),
        ("processes", partial(load.look, door), RIGHTS),
        *(
            ("service", partial(road.service, door, patient, name), RIGHTS)
            for name in patient.config.services
        ),
    ]
    if not patient.cluster:
        sections.append(("media type", partial(recipient.media_type, door, patient), RIGHTS))
        sections.append(("recipient", partial(recipient.user, door, patient), RIGHTS))
    if tried:
        sections.append(("trial", partial(probe.examine, door, patient), "see above"))
    for check, section, remedy in sections:
        for found in await _safely(check, section, remedy):
            yield found


async def _safely(check: str, section: Section, remedy: str) -> list[Finding]:
    """What cannot be examined is broken, too."""
    try:
        return await section()
    except errors.ConciergeError as error:
        return [finding.broken(check, str(error), remedy)]
