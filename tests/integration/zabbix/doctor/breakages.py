"""What somebody may break, one way a function, and what the doctor then says."""

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from concierge_backends.zabbix.provision import media, people
from tests.integration.zabbix.doctor.ward import SOUND, Ward, switched

Break = Callable[[Ward], contextlib.AbstractAsyncContextManager[None]]
BREAKAGES: dict[str, tuple[Break, str]] = {}


def breaks(sentence: str) -> Callable[[Callable[[Ward], AsyncIterator[None]]], None]:
    """Register a way to break it, and what the doctor then says."""

    def register(work: Callable[[Ward], AsyncIterator[None]]) -> None:
        BREAKAGES[work.__name__] = contextlib.asynccontextmanager(work), sentence

    return register


@breaks("SERVICE: host: template 'Concierge service' is not linked to host 'service SERVICE'")
async def template_unlinked(ward: Ward) -> AsyncIterator[None]:
    host = await ward.host()
    await ward.door.call(
        "host.update", {"hostid": host["hostid"], "templates": [], "templates_clear": host["parentTemplates"]}
    )
    SOUND.clear()
    yield


@breaks("SERVICE: items: disabled: service.heard")
async def item_disabled(ward: Ward) -> AsyncIterator[None]:
    async for _ in switched(ward, "item", {"itemid": await ward.item()}):
        yield


@breaks("SERVICE: host: host 'service SERVICE' is disabled")
async def host_disabled(ward: Ward) -> AsyncIterator[None]:
    async for _ in switched(ward, "host", {"hostid": (await ward.host())["hostid"]}):
        yield


@breaks("SERVICE: trigger 'High load of SERVICE': disabled")
async def trigger_disabled(ward: Ward) -> AsyncIterator[None]:
    async for _ in switched(ward, "trigger", {"triggerid": await ward.trigger()}):
        yield


@breaks("SERVICE: trigger 'High load of SERVICE': missing")
async def trigger_deleted(ward: Ward) -> AsyncIterator[None]:
    SOUND.clear()
    await ward.door.call("trigger.delete", [await ward.trigger()])
    yield


@breaks("SERVICE: action 'Concierge SERVICE: High load of SERVICE': disabled")
async def action_disabled(ward: Ward) -> AsyncIterator[None]:
    async for _ in switched(ward, "action", {"actionid": (await ward.action())["actionid"]}):
        yield


@breaks("action 'Concierge SERVICE: High load of SERVICE': steps every 2h, and the configuration says 60s")
async def step_changed(ward: Ward) -> AsyncIterator[None]:
    action = await ward.action()
    for period in ("2h", action["esc_period"]):
        await ward.door.call("action.update", {"actionid": action["actionid"], "esc_period": period})
        if period == "2h":
            yield


@breaks("media type 'Concierge': disabled")
async def media_type_disabled(ward: Ward) -> AsyncIterator[None]:
    found = await ward.get("mediatype.get", filter={"name": media.NAME})
    async for _ in switched(ward, "mediatype", {"mediatypeid": found["mediatypeid"]}):
        yield


@breaks("media type 'Concierge': it calls http://elsewhere/, and the configuration says http://127.0.0.1:9/")
async def gateway_elsewhere(ward: Ward) -> AsyncIterator[None]:
    found = await ward.get("mediatype.get", filter={"name": media.NAME})
    others = [pair for pair in found["parameters"] if pair["name"] != "gateway"]
    moved = [*others, {"name": "gateway", "value": "http://elsewhere/"}]
    for pairs in (moved, found["parameters"]):
        await ward.door.call("mediatype.update", {"mediatypeid": found["mediatypeid"], "parameters": pairs})
        if pairs is moved:
            yield


async def with_media(ward: Ward, **changed: Any) -> AsyncIterator[None]:
    user = await ward.user()
    (own,) = user["medias"]
    was = {key: own[key] for key in ("mediatypeid", "sendto", "active", "severity", "period")}
    for one in (was | changed, was):
        await ward.door.call("user.update", {"userid": user["userid"], "medias": [one]})
        if one is not was:
            yield


@breaks("media: the media of user 'concierge' is disabled")
async def media_disabled(ward: Ward) -> AsyncIterator[None]:
    async for _ in with_media(ward, active=1):
        yield


@breaks("media: the media of user 'concierge' is not used for severity 4, which our triggers have")
async def severity_masked(ward: Ward) -> AsyncIterator[None]:
    async for _ in with_media(ward, severity=63 - 16):
        yield


@breaks("media: the media of user 'concierge' is active only in 1-5,09:00-18:00")
async def period_short(ward: Ward) -> AsyncIterator[None]:
    async for _ in with_media(ward, period="1-5,09:00-18:00"):
        yield


async def unread(ward: Ward) -> AsyncIterator[None]:
    """Take the recipient's right to read our hosts away."""
    rights, select = (
        ("hostgroup_rights", "selectHostGroupRights") if ward.door.seven else ("rights", "selectRights")
    )
    name = (await ward.user())["usrgrps"][0]["usrgrpid"]
    found = await ward.get("usergroup.get", usrgrpids=[name], **{select: "extend"})
    given: list[Any]
    for given in ([], found[rights]):
        await ward.door.call("usergroup.update", {"usrgrpid": name, rights: given})
        if not given:
            yield


@breaks("recipient: user 'concierge' may not read service SERVICE: Zabbix sends it nothing of them")
async def recipient_blind(ward: Ward) -> AsyncIterator[None]:
    async for _ in unread(ward):
        yield


@breaks("token: the user of TOKEN may not read service SERVICE")
async def token_blind(ward: Ward) -> AsyncIterator[None]:
    async for _ in unread(ward):
        yield


@breaks("token: the user of TOKEN may not call event.acknowledge")
async def token_without_rights(ward: Ward) -> AsyncIterator[None]:
    found = await ward.get("role.get", filter={"name": people.NAME}, selectRules="extend")
    had = found["rules"]["api"]
    for methods in ([one for one in had if one != "event.acknowledge"], had):
        await ward.door.call("role.update", {"roleid": found["roleid"], "rules": {"api": methods}})
        if methods is not had:
            yield


@breaks("token: Zabbix refused")
async def token_revoked(ward: Ward) -> AsyncIterator[None]:
    found = await ward.door.call("token.get", {"userids": [(await ward.user())["userid"]]})
    await ward.door.call("token.delete", [one["tokenid"] for one in found])
    yield


@breaks("webhook secret: the macro {$CONCIERGE.WEBHOOK.SECRET} holds another secret")
async def secret_changed(ward: Ward) -> AsyncIterator[None]:
    found = await ward.get("usermacro.get", globalmacro=True, filter={"macro": media.SECRET})
    other = {"globalmacroid": found["globalmacroid"], "value": "other", "description": "changed by hand"}
    SOUND.clear()
    await ward.door.call("usermacro.updateglobal", other)
    yield
