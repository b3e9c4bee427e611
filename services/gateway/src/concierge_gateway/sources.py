"""One door a source: who is believed there, how often it may speak, and how its words are read."""

from collections.abc import Mapping
from typing import NamedTuple

from concierge_backends import port, registry
from concierge_gateway import authenticate, rate
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
        return 503 if self.kind == "alertmanager" else 429


def build(config: settings.Settings, secrets: Mapping[str, list[str]]) -> dict[str, Source]:
    """Return every source by name; raise Permanent with the path of the setting that can't be used."""
    return {
        name: _build(name, source, secrets.get(name, [])) for name, source in config.gateway.sources.items()
    }


def _build(name: str, source: settings.Source, secrets: list[str]) -> Source:
    if source.rate <= 0:
        raise errors.Permanent(f"gateway.sources.{name}.rate: write more than 0 requests a second")
    return Source(
        name,
        source,
        authenticate.guard(name, source, secrets),
        rate.Bucket(source.rate),
        registry.webhook(source.kind),
    )
