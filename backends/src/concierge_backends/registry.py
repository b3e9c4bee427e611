"""Which monitoring systems there are, by name; a vendor's library is imported only when it is asked for."""

import importlib
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, cast

from msgspec import structs

from concierge_backends import port
from concierge_proto import errors, settings

BACKENDS = {
    "embedded": "concierge_backends.embedded.backend:open",
    "prometheus": "concierge_backends.prometheus.backend:open",
    "zabbix": "concierge_backends.zabbix.backend:open",
}
"""`monitoring.backends` to what opens it."""

_CLUSTER = "zabbix-"
"""How the name of a backend begins that is one of `monitoring.clusters`."""

WEBHOOKS = {
    "alertmanager": "concierge_backends.prometheus.webhook:read",
    "generic": "concierge_backends.embedded.webhook:read",
    "grafana": "concierge_backends.prometheus.grafana:read",
    "zabbix": "concierge_backends.zabbix.webhook:read",
}
"""`gateway.sources.*.kind` to what reads it."""

_NAMED = {"zabbix": "concierge_backends.zabbix.webhook:named"}
"""Kinds whose reader follows how things are named, to what makes it."""

_MAPPED = "concierge_backends.embedded.mapping:named"
"""Makes the reader of a source that says itself where things stand."""

ASKED = {"alertmanager": "prometheus", "zabbix": "zabbix"}
"""Kind of a source to the backend that lists its open problems; the embedded one repeats its own steps."""


def open_backend(
    name: str,
    config: settings.Settings,
    **options: str | None,
) -> AbstractAsyncContextManager[port.System]:
    """Return the backend `name`, open as long as its context.

    Args:
        name: One of BACKENDS, or `zabbix-NAME` for `[monitoring.clusters.NAME]`.
        config: The settings.
        options: `webhook_secret` and `gateway_url`, for the one that calls the gateway itself.

    Raises:
        Permanent: There is no such backend, or its library is not installed.
    """
    cluster = name.removeprefix(_CLUSTER)
    if cluster != name and cluster in config.monitoring.clusters:
        own = structs.replace(config.monitoring, zabbix=config.monitoring.clusters[cluster])
        named = _entry(BACKENDS, "zabbix", "")(structs.replace(config, monitoring=own), name)
        return cast("AbstractAsyncContextManager[port.System]", named)
    entry = _entry(BACKENDS, name, "monitoring.backends: no backend")
    given = options if name == "embedded" else {}
    return cast("AbstractAsyncContextManager[port.System]", entry(config, **given))


def backends(config: settings.Settings) -> list[str]:
    """Return what `monitoring.backends` may name."""
    return [*BACKENDS, *(_CLUSTER + name for name in config.monitoring.clusters)]


def source(name: str, found: settings.Source, monitoring: settings.Monitoring) -> port.Webhook:
    """Return the reader of one source; raise Permanent with the path of the setting that can't be used."""
    if not found.fields:
        return webhook(found.kind, monitoring)
    if found.kind != "generic":
        raise errors.Permanent(f"gateway.sources.{name}.fields: only kind generic has them")
    return cast("port.Webhook", _entry({found.kind: _MAPPED}, found.kind, "no webhook of kind")(name, found))


def webhook(kind: str, monitoring: settings.Monitoring | None = None) -> port.Webhook:
    """Return the reader of what a source of this kind posts; raises Permanent as `open_backend`.

    `monitoring`: where the reader needs to know how things are named; None: as by default.
    """
    if monitoring and kind in _NAMED:
        return cast("port.Webhook", _entry(_NAMED, kind, "no webhook of kind")(monitoring))
    return cast("port.Webhook", _entry(WEBHOOKS, kind, "no webhook of kind"))


def _entry(table: Mapping[str, str], name: str, what: str) -> Any:
    if name not in table:
        raise errors.Permanent(f"{what} {name!r}: there is {', '.join(sorted(table))}")
    module, _, function = table[name].partition(":")
    try:
        return getattr(importlib.import_module(module), function)
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("concierge_backends"):
            raise
        vendor = module.split(".")[1]
        raise errors.Permanent(
            f"{what} {name!r} without its library {error.name}: install concierge-backends[{vendor}]",
        ) from error
