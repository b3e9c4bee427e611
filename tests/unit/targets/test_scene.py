"""The scene's configuration, for each monitoring system that its one line can name."""

import tomllib
from pathlib import Path

import pytest

from concierge_proto import settings

SHOP = Path(__file__).parents[3] / "compose" / "shop"


@pytest.mark.parametrize("backend", ["embedded", "zabbix", "prometheus"])
def test_one_line_changes_who_decides(backend: str) -> None:
    text = (SHOP / "concierge.toml").read_text("utf-8")
    line = 'backends = ["embedded"]'
    assert text.count(line) == 1
    changed = tomllib.loads(text.replace(line, f'backends = ["{backend}"]'))
    found = settings.parse(changed, "concierge.toml")
    assert found.monitoring.backends == (backend,)
    assert found.targets["shop"].kind == "compose"
    assert {trigger.action for trigger in found.services["web"].triggers} == {"scale_out 1", "scale_in 1"}


def test_each_monitoring_system_may_call() -> None:
    sources = settings.load(SHOP / "concierge.toml", {}).gateway.sources
    assert {source.kind for source in sources.values()} == {"zabbix", "alertmanager"}
    assert all(source.secret_file or source.token_file for source in sources.values())
