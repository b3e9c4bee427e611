"""The commands as an administrator runs them: differences that can be read, a back-up, and the end of it all."""

from pathlib import Path

import pytest

from concierge_backends.zabbix import api
from tests.integration.cli.desk import Desk
from tests.integration.zabbix.conftest import SECRET, Server

CONFIG = """\
[monitoring]
backends = ["zabbix"]
[monitoring.zabbix]
api_url = "{url}"
api_token_file = "{folder}/runtime"
[gateway]
public_url = "http://127.0.0.1:1"
ping_token_file = "{folder}/ping"
[gateway.sources.zabbix]
kind = "zabbix"
secret_file = "{folder}/secret"
[targets.shop]
kind = "compose"
[services.desk]
target = "shop"
max = 3
[[services.desk.triggers]]
name = "High load of desk"
metric = "gauge[load,value]"
above = 0.8
action = "scale_out 1"
"""


@pytest.fixture
def desk(server: Server, tmp_path: Path) -> Desk:
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "ping").write_text("open-sesame")
    made = Desk(tmp_path, CONFIG.format(url=server.url, folder=tmp_path))
    made.env["ZABBIX_PASSWORD"] = server.login.password
    return made


@pytest.mark.timeout(240)
@pytest.mark.parametrize("server", ["PEER_ZABBIX"], indirect=True)
async def test_from_apply_to_destroy(desk: Desk, door: api.Api, tmp_path: Path) -> None:
    applied = await desk.say("zabbix", "apply")
    assert applied.code == 0, applied.err
    token = (tmp_path / "runtime").read_text().strip()
    assert token not in applied.out + applied.err
    assert "create   trigger: High load of desk" in applied.out

    (trigger,) = await door.call("trigger.get", {"filter": {"description": "High load of desk"}})
    await door.call("trigger.update", {"triggerid": trigger["triggerid"], "priority": 1})
    planned = await desk.say("zabbix", "plan")
    assert planned.out.splitlines()[:-1] == [
        "update   trigger: High load of desk",
        "          priority: 1 -> 4",
    ]

    saved = await desk.say("zabbix", "export")
    assert saved.code == 0, saved.err
    assert SECRET not in saved.out
    (file := tmp_path / "saved.json").write_text(saved.out)
    restored = await desk.say("zabbix", "import", str(file), "--dry-run")
    assert restored.out.splitlines()[-1].startswith("0 of "), restored.err

    unsure = await desk.say("zabbix", "destroy", "--json")
    assert unsure.code == 2
    assert "add --yes" in unsure.err
    gone = await desk.say("zabbix", "destroy", "--yes", "--json")
    assert {one["change"] for one in gone.json} == {"delete"}
    assert ("user", "concierge") in {(one["kind"], one["name"]) for one in gone.json}
    again = await desk.say("zabbix", "destroy", "--yes")
    assert again.out.splitlines() == ["0 of 0 changed"]


@pytest.mark.parametrize("server", ["PEER_ZABBIX"], indirect=True)
async def test_what_is_no_back_up_is_refused(desk: Desk, tmp_path: Path) -> None:
    (file := tmp_path / "x.json").write_text("{}")
    said = await desk.say("zabbix", "import", str(file))
    assert said.code == 2
    assert "no back-up of `concierge zabbix export`" in said.err
