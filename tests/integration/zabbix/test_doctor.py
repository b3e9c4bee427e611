"""The doctor on a real server: green where all is well, and for each thing that somebody broke the right sentence."""

import asyncio
import contextlib
import json
import os
import secrets
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from concierge_backends.zabbix import api, doctor, names, packets, trapper
from concierge_backends.zabbix.doctor import access, bench, probe, road, tokens
from concierge_backends.zabbix.provision import media, people
from concierge_gateway import run as gateway
from concierge_proto import bus, messages, settings
from tests.integration.zabbix.conftest import SECRET, Apply, Server
from tests.integration.zabbix.test_outcome import become_ours

NOBODY = "127.0.0.1:1"


class Ward(NamedTuple):
    """A server on which everything was set up, and what the tests need to break it."""

    door: api.Api
    patient: doctor.Patient
    service: str
    server: Server

    async def get(self, method: str, **params: Any) -> dict[str, Any]:
        (found,) = await self.door.call(method, params)
        return dict(found)

    async def host(self) -> dict[str, Any]:
        name = names.service_host(self.patient.config, self.service)
        return await self.get("host.get", filter={"host": name}, selectParentTemplates=["templateid"])

    async def item(self) -> str:
        host = await self.host()
        return str(
            (await self.get("item.get", hostids=[host["hostid"]], filter={"key_": "service.heard"}))["itemid"]
        )

    async def trigger(self) -> str:
        found = await self.get("trigger.get", filter={"description": f"High load of {self.service}"})
        return str(found["triggerid"])

    async def action(self) -> dict[str, Any]:
        return await self.get(
            "action.get", filter={"name": f"Concierge {self.service}: High load of {self.service}"}
        )

    async def user(self) -> dict[str, Any]:
        return await self.get(
            "user.get",
            filter={"username": people.USER},
            selectMedias="extend",
            selectUsrgrps=["usrgrpid"],
            selectRole=["type"],
        )


SERVICE = f"t{secrets.token_hex(4)}"
SOUND: set[str] = set()
"""Servers on which everything is as `apply` made it: each test puts back what it broke, or takes its server out."""


@pytest.fixture
def service() -> str:
    return SERVICE


@pytest.fixture
def config(config: settings.Settings) -> settings.Settings:
    """One service for all tests: `apply` is what costs time here."""
    (only,) = config.services.values()
    triggers = tuple(msgspec.structs.replace(one, name=f"High load of {SERVICE}") for one in only.triggers)
    return msgspec.structs.replace(
        config, services={SERVICE: msgspec.structs.replace(only, triggers=triggers)}
    )


@pytest.fixture
async def ward(apply: Apply, door: api.Api, config: settings.Settings, service: str, server: Server) -> Ward:
    if server.url not in SOUND:
        await apply("http://127.0.0.1:9")
        SOUND.add(server.url)
    await become_ours(door, config)
    hook = "http://127.0.0.1:9/webhooks/zabbix"
    patient = doctor.Patient(config, server.url, hook, SECRET, time.time, patience=20.0)
    return Ward(door, patient, SERVICE, server)


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


async def switched(ward: Ward, api_name: str, found: dict[str, str]) -> AsyncIterator[None]:
    """Disable an object, and enable it again."""
    for status in (1, 0):
        await ward.door.call(f"{api_name}.update", {**found, "status": status})
        if status:
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


async def look(ward: Ward) -> list[doctor.Finding]:
    login = ward.server.login
    return [found async for found in doctor.walk(ward.patient, login, tried=False)]


def broken(found: list[doctor.Finding]) -> list[str]:
    """Return the sentences; each has its remedy."""
    bad = [one for one in found if one.state == "broken"]
    assert all(one.remedy for one in bad)
    return [f"{one.check}: {one.detail}" for one in bad]


async def test_where_all_is_well_nothing_is_broken(ward: Ward) -> None:
    found = await look(ward)
    assert broken(found) == []
    assert {"trapper", "API", "token", "media", "recipient", "webhook secret"} <= {one.check for one in found}


@pytest.mark.parametrize("name", BREAKAGES)
async def test_what_somebody_broke_is_named(ward: Ward, name: str) -> None:
    work, sentence = BREAKAGES[name]
    file = ward.patient.config.monitoring.zabbix.api_token_file
    wanted = sentence.replace("SERVICE", ward.service).replace("TOKEN", file)
    async with work(ward):
        assert any(wanted in said for said in broken(await look(ward)))


async def test_an_unsupported_item_is_named_with_its_reason(
    ready: Apply, ward: Ward, until: Callable[..., Awaitable[Any]]
) -> None:
    await ready("http://127.0.0.1:9")
    SOUND.clear()
    host = names.service_host(ward.patient.config, ward.service)
    door = trapper.Trapper([ward.server.trapper], 5)
    await until(lambda: door.deliver(host, [packets.row(host, names.HEARD, "many", time.time_ns())]))

    async def said() -> list[str]:
        return [
            one
            for one in broken(await road.service(ward.door, ward.patient, ward.service))
            if "not supp" in one
        ]

    (sentence,) = await until(said)
    assert "items: not supported: service.heard (Value " in sentence


@contextlib.asynccontextmanager
async def serving(config: settings.Settings, link: bus.Bus, secret: str) -> AsyncIterator[str]:
    """Run a real gateway with that secret; yields its URL."""
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    running = gateway.run(config, link, secrets={"zabbix": [secret]}, listening=url, problems={})
    task = asyncio.create_task(running)
    try:
        yield await url
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def at_any_port(config: settings.Settings) -> settings.Settings:
    listening = msgspec.structs.replace(config.gateway, listen="127.0.0.1:0")
    return msgspec.structs.replace(config, gateway=listening)


async def try_it(ward: Ward, **changed: Any) -> dict[str, doctor.Finding]:
    found = await probe.examine(ward.door, ward.patient._replace(**changed))
    return {one.check: one for one in found}


async def test_a_value_travels_to_the_gateway_and_asks_for_nothing(
    ward: Ward, apply: Apply, link: bus.Bus
) -> None:
    async with serving(at_any_port(ward.patient.config), link, SECRET) as url:
        SOUND.clear()
        await apply(url)
        found = await try_it(ward, hook=f"{url}/webhooks/zabbix")
    assert [(one.check, one.state) for one in found.values()] == [
        ("configuration delay", "ok"),
        ("history tables", "ok"),
        ("clocks", "ok"),
        ("round trip", "ok"),
    ], found
    events = [delivery async for delivery in link.history("EVENTS", "concierge.v1.event.*.trigger")]
    assert {delivery.read(messages.Trigger).verdict for delivery in events} == {"test"}
    assert all(not delivery.read(messages.Trigger).commands for delivery in events)
    assert await left_over(ward) == []


async def left_over(ward: Ward) -> list[Any]:
    found: list[Any] = await ward.door.call("item.get", {"search": {"key_": bench.KEY}})
    found += await ward.door.call("trigger.get", {"filter": {"description": bench.NAME}})
    found += await ward.door.call("action.get", {"filter": {"name": bench.NAME}})
    return found


async def test_a_secret_that_the_gateway_does_not_know_is_found_by_trying(
    ward: Ward, apply: Apply, link: bus.Bus
) -> None:
    async with serving(at_any_port(ward.patient.config), link, "f" * 32) as url:
        SOUND.clear()
        await apply(url)
        trip = (await try_it(ward))["round trip"]
    assert trip.state == "broken"
    assert "Concierge answered 401" in trip.detail
    assert trip.remedy.startswith("Zabbix signs with another secret than the gateway's secret_file holds")


async def test_clocks_that_differ_are_told_and_so_is_a_gateway_that_is_away(ward: Ward) -> None:
    found = await try_it(ward, clock=lambda: time.time() - 90)
    assert found["clocks"].state == "broken"
    assert found["clocks"].detail.startswith("Zabbix's clock is 9")
    assert "s ahead of ours: fresh values look old" in found["clocks"].detail
    assert found["round trip"].state == "broken"
    assert found["round trip"].remedy == (
        f"see that the gateway runs, and that the Zabbix server reaches {ward.patient.hook}"
    )
    assert await left_over(ward) == []


async def test_a_trapper_port_where_nobody_is_and_one_that_is_another_server(ward: Ward) -> None:
    away = elsewhere(ward, servers=(NOBODY,))
    (found,) = await access.trapper(away)
    assert (found.state, found.check) == ("broken", "trapper")
    assert NOBODY in found.detail
    assert "ListenPort in zabbix_server.conf" in found.remedy

    web = ward.server.url.removeprefix("http://").strip("/")
    (found,) = await access.trapper(elsewhere(ward, servers=(web,)))
    assert found.state == "broken"

    standby = elsewhere(ward, servers=(NOBODY, ward.server.trapper))
    (found,) = await access.trapper(standby)
    assert found.state == "ok"
    assert f"no answer from {NOBODY}: standby nodes" in found.detail


def elsewhere(ward: Ward, **changed: Any) -> doctor.Patient:
    config = ward.patient.config
    own = msgspec.structs.replace(config.monitoring.zabbix, **changed)
    monitoring = msgspec.structs.replace(config.monitoring, zabbix=own)
    return ward.patient._replace(config=msgspec.structs.replace(config, monitoring=monitoring))


async def test_the_host_keepers_token_is_tried_as_well(ward: Ward, tmp_path: Path) -> None:
    keeper = await ward.get("user.get", filter={"username": people.KEEPER.user})
    made = await ward.door.call("token.create", {"name": secrets.token_hex(4), "userid": keeper["userid"]})
    (generated,) = await ward.door.call("token.generate", made["tokenids"])
    file = tmp_path / "keeper"
    file.write_text(generated["token"])
    (_, good) = await tokens.check(ward.door, elsewhere(ward, keeper_token_file=str(file)))
    assert (good.check, good.state) == ("host keeper", "ok"), good

    other = ward.patient.config.monitoring.zabbix.api_token_file
    (_, bad) = await tokens.check(ward.door, elsewhere(ward, keeper_token_file=other))
    assert bad.state == "broken"
    assert "may not call host.create, host.delete, host.update, template.get" in bad.detail


async def test_an_api_that_is_away_ends_the_walk_with_its_address(ward: Ward) -> None:
    patient = ward.patient._replace(url=f"http://{NOBODY}/")
    found = [one async for one in doctor.walk(patient, ward.server.login)]
    assert [(one.check, one.state) for one in found] == [("trapper", "ok"), ("API", "broken")]
    assert NOBODY in found[1].detail
    assert "api_url" in found[1].remedy


def written(ward: Ward, folder: Path) -> Path:
    """Write the ward's configuration as an administrator would have it."""
    own = ward.patient.config.monitoring.zabbix
    (folder / "secret").write_text(SECRET)
    file = folder / "concierge.toml"
    file.write_text(f"""
[monitoring]
backends = ["zabbix"]
[monitoring.zabbix]
servers = ["{ward.server.trapper}"]
api_url = "{ward.server.url}"
api_token_file = "{own.api_token_file}"
[gateway]
public_url = "http://127.0.0.1:9"
[gateway.sources.zabbix]
kind = "zabbix"
secret_file = "{folder}/secret"
[targets.shop]
kind = "compose"
[services.{ward.service}]
target = "shop"
max = 5
[[services.{ward.service}.triggers]]
name = "High load of {ward.service}"
metric = "gauge[load,value]"
above = 4.0
recovers = 2.0
action = "scale_out 1"
""")
    return file


@pytest.mark.parametrize("server", ["PEER_ZABBIX"], indirect=True)
async def test_the_command_ends_with_1_when_something_is_broken(ward: Ward, tmp_path: Path) -> None:
    words = ("--config", str(written(ward, tmp_path)), "zabbix", "doctor", "--look", "--json")

    async def run() -> tuple[int, list[dict[str, str]]]:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "concierge_cli", *words),
            env={**os.environ, "ZABBIX_PASSWORD": ward.server.login.password},
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await child.communicate()
        return child.returncode or 0, [json.loads(line) for line in said.splitlines()]

    code, found = await run()
    assert code == 0, found
    assert [one["check"] for one in found if one["state"] != "ok"] == [
        "host keeper"
    ]  # which this test has not
    async for _ in switched(ward, "trigger", {"triggerid": await ward.trigger()}):
        code, found = await run()
    assert code == 1
    (bad,) = [one for one in found if one["state"] == "broken"]
    assert bad == {
        "check": f"{SERVICE}: trigger 'High load of {SERVICE}'",
        "state": "broken",
        "detail": "disabled",
        "remedy": "enable it in the front end",
    }
