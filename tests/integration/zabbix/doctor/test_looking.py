"""The doctor on a real server: green where all is well, and for each thing that is broken the right sentence."""

import asyncio
import json
import os
import secrets
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from concierge_backends.zabbix import clusters, doctor, names, packets, trapper
from concierge_backends.zabbix.doctor import access, road, tokens
from concierge_backends.zabbix.provision import people
from tests.integration.zabbix.conftest import SECRET, Apply
from tests.integration.zabbix.doctor.breakages import BREAKAGES
from tests.integration.zabbix.doctor.ward import SERVICE, SOUND, Ward, switched

NOBODY = "127.0.0.1:1"


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

    async def silent() -> bool:
        return not await said()

    await door.deliver(host, [packets.row(host, names.HEARD, 0, time.time_ns())])
    await until(silent)


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


def further(ward: Ward, **changed: Any) -> doctor.Patient:
    """The same server once more, as a cluster that only hears what the first one hears."""
    config = elsewhere(ward, **changed).config
    monitoring = msgspec.structs.replace(
        ward.patient.config.monitoring, clusters={"second": config.monitoring.zabbix}
    )
    config = clusters.of(msgspec.structs.replace(config, monitoring=monitoring), "second")
    return ward.patient._replace(config=config, cluster="second")


async def test_a_further_cluster_is_examined_too_and_must_ask_for_no_steps(ward: Ward) -> None:
    login = ward.server.login
    found = [one async for one in doctor.walk(further(ward), login, tried=False)]
    assert broken(found) == []
    assert {one.cluster for one in found} == {"second"}
    odd = {one.check: one.detail for one in found if one.state == "warning"}
    assert odd["backend"] == "monitoring.backends does not name zabbix-second: nothing is sent there"
    assert "is enabled here too" in odd[f"{SERVICE}: action 'Concierge {SERVICE}: High load of {SERVICE}'"]
    assert "monitoring.clusters.second.keeper_token_file is not set" in odd["host keeper"]
    assert f"{SERVICE}: items" in {one.check for one in found}
    assert "run `concierge zabbix apply --cluster second`" in {one.remedy for one in found}

    away = further(ward, servers=(NOBODY,))
    (bad,) = [one async for one in doctor.walk(away, login, tried=False) if one.state == "broken"]
    assert NOBODY in bad.detail
    assert "into monitoring.clusters.second.servers" in bad.remedy

    (*_, last) = [one async for one in doctor.walk(further(ward)._replace(url=""), login)]
    assert (last.check, last.state) == ("API", "warning")
    assert "monitoring.clusters.second.api_url is not set" in last.detail


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
backends = ["zabbix", "zabbix-second"]
[monitoring.zabbix]
servers = ["{ward.server.trapper}"]
api_url = "{ward.server.url}"
api_token_file = "{own.api_token_file}"
[monitoring.clusters.second]
servers = ["{ward.server.trapper}"]
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
    odd = [(one["cluster"], one["check"]) for one in found if one["state"] != "ok"]
    assert odd == [("", "host keeper"), ("second", "API")]  # of which this test has neither
    async for _ in switched(ward, "trigger", {"triggerid": await ward.trigger()}):
        code, found = await run()
    assert code == 1
    (bad,) = [one for one in found if one["state"] == "broken"]
    assert bad == {
        "check": f"{SERVICE}: trigger 'High load of {SERVICE}'",
        "state": "broken",
        "detail": "disabled",
        "remedy": "enable it in the front end",
        "cluster": "",
    }
