"""From a server that knows nothing of a service to a scaled project: `apply`, a compose project with couriers, load."""

import json
import secrets
from pathlib import Path
from typing import Any

import pytest

from concierge_backends.zabbix import api
from tests import shop
from tests.integration.zabbix.conftest import Until


@pytest.fixture(params=["zabbix", "zabbix60"])
def zabbix(request: pytest.FixtureRequest) -> shop.Zabbix:
    return shop.zabbix(request.param)


@pytest.fixture
def scene(zabbix: shop.Zabbix, tmp_path: Path) -> shop.Shop:
    return shop.prepared(tmp_path / "shop", zabbix, f"t{secrets.token_hex(4)}")


async def changes(scene: shop.Shop, word: str) -> list[dict[str, Any]]:
    """Return what `concierge zabbix WORD` changes, or would."""
    said = await scene.concierge.run("zabbix", word, "--json")
    return [change for change in map(json.loads, said.splitlines()) if change["change"] != "none"]


@pytest.mark.timeout(300)
async def test_an_administrators_first_hour(scene: shop.Shop, zabbix: shop.Zabbix, until: Until) -> None:
    made = await changes(scene, "apply")
    assert {change["change"] for change in made if scene.service in change["name"]} == {"create"}

    login = api.Login(user=zabbix.user, password=zabbix.password)
    async with api.connect(zabbix.api, login) as door:
        async with scene.up():
            assert await until(lambda: value(door, scene, "service.running")) == "1"
            assert await scene.running() == 1
            assert await until(lambda: measured(door, scene))
            await scene.concierge.run("zabbix", "doctor")

            scene.load(1.2)
            comment = await until(lambda: commented(door, scene))
            assert await scene.running() == 2
        said, who = comment["message"], comment["userid"]
        assert f"{scene.service} on shop: converged: 1 → 2 in " in said
        assert f"came: {scene.project}-web-2; zabbix asked for scale_out 1" in said
        (author,) = await door.call("user.get", {"userids": [who], "output": ["username"]})
        assert author["username"] == "concierge"
    assert await changes(scene, "plan") == []


async def value(door: api.Api, scene: shop.Shop, key: str) -> str:
    """Return the last value of an item of the service's host; "" before there is one that is not 0."""
    question = {"host": f"service {scene.service}", "filter": {"key_": key}, "output": ["lastvalue"]}
    (found,) = await door.call("item.get", question)
    return str(found["lastvalue"]).lstrip("0")


async def measured(door: api.Api, scene: shop.Shop) -> bool:
    """Whether the instance has a value of an item that was made by discovery."""
    (group,) = await door.call("hostgroup.get", {"filter": {"name": [f"Concierge/{scene.service}"]}})
    question = {
        "groupids": group["groupid"],
        "search": {"key_": "timer[checkout,p95]"},
        "output": ["lastclock"],
    }
    return any(item["lastclock"] != "0" for item in await door.call("item.get", question))


async def commented(door: api.Api, scene: shop.Shop) -> dict[str, Any]:
    """Return the comment on the service's problem of high load; empty before there is one."""
    tags = [{"tag": "service", "value": scene.service}]
    select = "selectAcknowledges" if door.seven else "select_acknowledges"
    question = {
        "tags": tags,
        "value": 1,
        "search": {"name": "High load"},
        select: "extend",
        "output": ["name"],
    }
    for event in await door.call("event.get", {"sortfield": "eventid", **question}):
        return dict(event["acknowledges"][0]) if event["acknowledges"] else {}
    return {}
