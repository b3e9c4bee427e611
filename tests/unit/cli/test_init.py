"""What `concierge init` finds, and that what it writes is understood."""

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concierge_cli import init
from concierge_proto import settings

COMPOSE = """\
# the shop
name: shop
services:
  web:
    image: shop
    ports: ["8080"]
  "worker":
    image: shop

volumes:
  data:
"""


def test_services_are_read_from_the_indentation() -> None:
    assert init.scan_services(COMPOSE) == ["web", "worker"]


def test_a_document_without_services_has_none() -> None:
    assert init.scan_services("volumes:\n  data:\n") == []


@given(st.text())
def test_any_document_is_survived(document: str) -> None:
    assert isinstance(init.scan_services(document), list)


@pytest.mark.parametrize("zabbix", ["", "https://zabbix.example/"])
@pytest.mark.parametrize("services", [(), ("web", "worker"), ("Not_A_Name",)])
def test_what_is_written_is_understood(tmp_path: Path, services: tuple[str, ...], zabbix: str) -> None:
    found = init.Found(compose="compose.yaml" if services else "", project="shop", services=services)
    config = tmp_path / "concierge.toml"
    config.write_text(init.text(found, zabbix, tmp_path / "secret"), "utf-8")
    read = settings.load(config, {})
    wanted = [name for name in services if init.usable(name)] or ["web"]
    assert list(read.services) == wanted
    assert read.monitoring.backends == (("zabbix",) if zabbix else ("embedded",))
    assert all(service.dry_run for service in read.services.values())


def test_zabbix_is_addressed_by_its_front_end(tmp_path: Path) -> None:
    text = init.text(init.Found(), "https://zabbix.example:8443/ui/", tmp_path / "secret")
    assert 'servers = ["zabbix.example:10051"]' in text


def test_a_secret_is_ours_alone_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "webhook"
    init.make_secret(path)
    first = path.read_text()
    assert len(first.strip()) >= 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    init.make_secret(path)
    assert path.read_text() == first


@pytest.mark.parametrize(
    ("folder", "project"), [("Shop", "shop"), ("my shop!", "myshop"), ("_x", "x"), ("!!", "app")]
)
def test_projects_are_named_as_compose_names_them(folder: str, project: str) -> None:
    assert init.slug(folder) == project
