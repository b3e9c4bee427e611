"""One door a source: who is believed there, how often it may speak, and how its words are read."""

import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Mapping
from typing import NamedTuple

from concierge_backends import port, registry
from concierge_gateway import authenticate, rate, renewal
from concierge_proto import errors, settings


class Source(NamedTuple):
    """A source, ready to be listened to."""

    name: str
    settings: settings.Source
    guard: authenticate.Guard
    bucket: rate.Bucket
    read: port.Webhook

    @property
    def kind(self) -> str:
        return self.settings.kind

    @property
    def busy(self) -> int:
        """The status that makes this sender come again: Alertmanager drops on 429."""
        return 503 if self.kind in {"alertmanager", "grafana"} else 429


def build(config: settings.Settings, secrets: Mapping[str, list[str]]) -> dict[str, Source]:
    """Return every source by name; raise Permanent with the path of the setting that can't be used."""
    return {
        name: _build(name, source, secrets.get(name, []), config.monitoring)
        for name, source in config.gateway.sources.items()
    }


def _build(name: str, source: settings.Source, secrets: list[str], monitoring: settings.Monitoring) -> Source:
    if source.rate <= 0:
        raise errors.Permanent(f"gateway.sources.{name}.rate: write more than 0 requests a second")
    return Source(
        name,
        source,
        authenticate.guard(name, source, secrets),
        rate.Bucket(source.rate),
        registry.source(name, source, monitoring),
    )


def followed(known: Mapping[str, Source], secrets: Mapping[str, list[str]]) -> list[renewal.Followed]:
    """Return every source's files; `secrets`: HMAC secrets that stand in no file."""
    return [
        renewal.Followed(
            f"source {name}",
            (source.settings.secret_file, source.settings.token_file),
            functools.partial(_renew, source, secrets.get(name, [])),
        )
        for name, source in known.items()
    ]


def _renew(source: Source, secrets: list[str]) -> None:
    source.guard.renew(*authenticate.proofs(source.name, source.settings, secrets))


_ASKABLE: dict[str, Callable[[settings.Monitoring], bool]] = {
    "zabbix": lambda monitoring: bool(monitoring.zabbix.api_url and monitoring.zabbix.api_token_file),
    "prometheus": lambda monitoring: bool(monitoring.prometheus.alertmanager_url),
}
"""Backends that can list their open problems, where the configuration names them and says how to ask them."""


@contextlib.asynccontextmanager
async def asking(config: settings.Settings) -> AsyncIterator[dict[str, port.Problems]]:
    """Yield, by source, whom to ask for the problems that are open now."""
    opened: dict[str, port.Problems] = {}
    async with contextlib.AsyncExitStack() as stack:
        for backend in _askable(config):
            opened[backend] = await stack.enter_async_context(registry.open_backend(backend, config))
        yield {
            name: opened[registry.ASKED[source.kind]]
            for name, source in config.gateway.sources.items()
            if registry.ASKED.get(source.kind) in opened
        }


def _askable(config: settings.Settings) -> set[str]:
    """Return the active backends behind some source; one that is only written down has no server perhaps."""
    asked = {registry.ASKED.get(source.kind, "") for source in config.gateway.sources.values()}
    active = asked & _ASKABLE.keys() & set(config.monitoring.backends)
    return {backend for backend in active if _ASKABLE[backend](config.monitoring)}
