"""`concierge source`: added, listed, tested against a running gateway, rotated without a gap."""

import asyncio
import stat
from pathlib import Path

import pytest

from concierge_cli.demo import scene
from tests.integration.cli.desk import CONFIG, Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    port = scene.free_port("127.0.0.1")
    return Desk(tmp_path, CONFIG.replace("127.0.0.1:0", f"127.0.0.1:{port}"))


async def test_from_nothing_to_a_rotated_secret(desk: Desk) -> None:
    added = await desk.say("source", "add", "zabbix", "--kind", "zabbix", "--services", "web", "--json")
    assert added.code == 0, added.err
    file = Path(added.json[0]["secret_file"])
    first = file.read_text().strip()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert first not in added.out + added.err
    for kind in ("grafana", "generic"):
        assert (await desk.say("source", "add", kind, "--kind", kind)).code == 0
    async with desk.up():
        for name in ("zabbix", "grafana", "generic"):
            tried = await desk.say("source", "test", name, "--json")
            assert tried.code == 0, tried
            assert tried.json[0]["status"] == 202
        assert (await desk.say("source", "rotate", "zabbix")).code == 0
        second, *old = file.read_text().split()
        assert (old, second != first) == ([first], True)
        await believed(desk)
        finished = await desk.say("source", "rotate", "zabbix", "--finish", "--json")
        assert finished.json[0]["secrets"] == 1
        await believed(desk)
    assert not list(desk.folder.glob(".*"))


async def believed(desk: Desk) -> None:
    """The running gateway takes the new secret within a moment."""
    async with asyncio.timeout(30):
        while (await desk.say("source", "test", "zabbix")).code:
            await asyncio.sleep(0.1)


async def test_list_says_what_is_wrong(desk: Desk) -> None:
    assert "no sources" in (await desk.say("source", "list")).out
    await desk.say("source", "add", "am", "--kind", "alertmanager")
    (row,) = (await desk.say("source", "list", "--json")).json
    assert (row["kind"], row["tokens"], row["secrets"], row["problem"]) == ("alertmanager", 1, 0, "")
    (desk.folder / "secrets" / "am").unlink()
    assert "cannot read" in (await desk.say("source", "list")).out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["add", "zabbix", "--kind", "nagios"], "there is zabbix, generic, alertmanager, grafana"),
        (["add", "a.b", "--kind", "zabbix"], "source"),
        (["add", "am", "--kind", "zabbix"], "stands in"),
        (["rotate", "nobody"], "the configuration has am"),
        (["test", "am"], "does `concierge up`"),
    ],
)
async def test_says_what_is_the_matter(desk: Desk, words: list[str], said: str) -> None:
    assert (await desk.say("source", "add", "am", "--kind", "alertmanager")).code == 0
    before = (desk.folder / "concierge.toml").read_text()
    tried = await desk.say("source", *words)
    assert (tried.code, said in " ".join(tried.err.split())) == (2, True), tried.err
    assert (desk.folder / "concierge.toml").read_text() == before


async def test_an_existing_secret_is_not_overwritten(desk: Desk) -> None:
    (desk.folder / "secrets").mkdir()
    (desk.folder / "secrets" / "zabbix").write_text("mine")
    tried = await desk.say("source", "add", "zabbix", "--kind", "zabbix")
    assert (tried.code, "--secret-file" in tried.err) == (2, True)
    assert (desk.folder / "secrets" / "zabbix").read_text() == "mine"
    assert "zabbix" not in (desk.folder / "concierge.toml").read_text()
