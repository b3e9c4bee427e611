"""Names to monitoring systems, and a sentence where that fails."""

import sys

import pytest

from concierge_backends import registry
from concierge_proto import errors, settings
from tests.unit.backends.said import NOW


@pytest.mark.parametrize("name", ["embedded", "prometheus"])
async def test_opens_by_name(name: str) -> None:
    async with registry.open_backend(name, settings.Settings(), webhook_secret="secret") as backend:
        assert backend.name == name


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(errors.Permanent, match="no backend 'nagios': there is embedded, prometheus, zabbix"):
        registry.open_backend("nagios", settings.Settings())


def test_an_unknown_kind_lists_the_known() -> None:
    with pytest.raises(
        errors.Permanent, match="kind 'nagios': there is alertmanager, generic, grafana, zabbix"
    ):
        registry.webhook("nagios")


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("concierge_backends.prometheus")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(errors.Permanent, match=r"httpx: install concierge-backends\[prometheus\]"):
        registry.open_backend("prometheus", settings.Settings())


def test_every_kind_of_source_has_a_reader() -> None:
    assert {"alertmanager", "generic"} <= set(registry.WEBHOOKS)
    for kind in ("alertmanager", "generic"):
        with pytest.raises(errors.Malformed):
            registry.webhook(kind)(b"", "source", NOW)


async def test_thresholds_need_a_secret_and_it_is_named() -> None:
    threshold = settings.Threshold(name="a", metric="heard", below=1, action="scale_out 1")
    service = settings.Service(target="shop", max=2, triggers=(threshold,))
    with pytest.raises(errors.Permanent, match=r"add \[gateway.sources.embedded\]"):
        async with registry.open_backend("embedded", settings.Settings(services={"web": service})):
            pass


@pytest.mark.parametrize("url", ["127.0.0.1:9091", "ftp://a", "http://", "http://[::1"])
async def test_what_is_no_url_is_named(url: str) -> None:
    own = settings.Monitoring(prometheus=settings.Prometheus(pushgateway_url=url))
    with pytest.raises(errors.Permanent, match=r"monitoring\.prometheus\.pushgateway_url"):
        async with registry.open_backend("prometheus", settings.Settings(monitoring=own)):
            pass


async def test_an_odd_address_of_the_gateway_is_named() -> None:
    with pytest.raises(errors.Permanent, match=r"gateway\.public_url"):
        async with registry.open_backend("embedded", settings.Settings(), gateway_url="http://[::1"):
            pass
