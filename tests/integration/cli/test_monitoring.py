"""`concierge zabbix` and `concierge prometheus`, as an administrator runs them, against the real servers."""

from pathlib import Path

import pytest

from tests import peer
from tests.integration.cli.desk import Desk, Said

CONFIG = """\
[monitoring]
backends = ["zabbix"]
[monitoring.zabbix]
api_url = "{url}"
[gateway]
public_url = "http://127.0.0.1:1"
[gateway.sources.zabbix]
kind = "zabbix"
secret_file = "{secret}"
[gateway.sources.alertmanager]
kind = "alertmanager"
token_file = "{secret}"
[targets.shop]
kind = "compose"
[services.desk-shop]
target = "shop"
max = 3
[[services.desk-shop.triggers]]
name = "High load"
metric = "gauge[load,value]"
above = 0.8
action = "scale_out 1"
"""


def desk(folder: Path, url: str) -> Desk:
    secret = folder / "secret"
    secret.write_text("a-secret-of-thirty-two-characters", "utf-8")
    made = Desk(folder, CONFIG.format(url=url, secret=secret))
    made.env["ZABBIX_PASSWORD"] = "zabbix"
    return made


def changed(said: Said) -> list[str]:
    assert said.code == 0, said.err
    return [change["name"] for change in said.json if change["change"] != "none"]


@pytest.mark.timeout(180)
@pytest.mark.parametrize("version", ["zabbix", "zabbix60"])
async def test_plan_writes_nothing_and_apply_is_done_once(tmp_path: Path, version: str) -> None:
    ours = desk(tmp_path, peer.need(version))
    planned = changed(await ours.say("zabbix", "plan", "--json"))
    assert "service desk-shop" in str(planned)
    assert changed(await ours.say("zabbix", "plan", "--json")) == planned
    assert changed(await ours.say("zabbix", "apply", "--json")) == planned
    assert changed(await ours.say("zabbix", "apply", "--json")) == []
    told = await ours.say("zabbix", "plan")
    assert told.out.splitlines()[-1].startswith("0 of ")


async def test_a_wrong_password_is_a_sentence(tmp_path: Path) -> None:
    ours = desk(tmp_path, peer.need("zabbix"))
    ours.env["ZABBIX_PASSWORD"] = "wrong"
    said = await ours.say("zabbix", "plan")
    assert said.code in {1, 2}
    assert said.err.startswith("concierge: ")
    assert "Traceback" not in said.err


async def test_a_server_that_is_away_is_a_sentence(tmp_path: Path) -> None:
    said = await desk(tmp_path, "http://127.0.0.1:9/").say("zabbix", "plan")
    assert said.code in {1, 2}
    assert "127.0.0.1:9" in said.err
    assert "Traceback" not in said.err


async def test_the_rules_of_prometheus_are_printed(tmp_path: Path) -> None:
    ours = desk(tmp_path, "http://127.0.0.1:9/")
    rules = await ours.say("prometheus", "rules", "--part", "rules")
    assert 'alert: "High load"' in rules.out
    assert 'concierge_action: "scale_out 1"' in rules.out
    receiver = await ours.say("prometheus", "rules", "--part", "receiver")
    assert "http://127.0.0.1:1/webhooks/alertmanager" in receiver.out
    odd = await ours.say("prometheus", "rules", "--part", "odd")
    assert odd.code == 2
    assert "receiver" in odd.err
