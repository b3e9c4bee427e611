"""Where metrics come from: the port, one module a kind, and the table that names them."""

import importlib
from collections.abc import Iterable, Mapping

from concierge_courier.sources import access, address, port
from concierge_proto import errors

KINDS = {
    "dropwizard": "concierge_courier.sources.dropwizard",
    "health": "concierge_courier.sources.healthchecks",
    "prometheus": "concierge_courier.sources.prometheus",
    "spring": "concierge_courier.sources.spring",
    "json": "concierge_courier.sources.flat",
    "file": "concierge_courier.sources.forms",
    "exec": "concierge_courier.sources.command",
    "container": "concierge_courier.sources.container",
    "process": "concierge_courier.sources.process",
}
"""Kind to module; the module's `source(name, location)` makes one. It is imported when it is asked for."""

ALONE = frozenset({"container", "process"})
"""The kinds that need no location."""


def make(texts: Iterable[str], keys: Mapping[str, access.Access] = {}) -> tuple[port.Source, ...]:
    """Return the sources that `KIND[:NAME]=LOCATION` describe; raise Permanent with the mistake.

    `keys` are by the name of the source that they open.
    """
    made: dict[str, port.Source] = {}
    for text in texts:
        source = _make(text)
        if source.name in made:
            raise errors.Permanent(
                f"two sources are named {source.name!r}: name one, e.g. {source.name}:other=…"
            )
        made[source.name] = source
    for name, opened_by in keys.items():
        _unlock(name, made.get(name), opened_by)
    return tuple(made.values())


def _unlock(name: str, source: port.Source | None, keys: access.Access) -> None:
    if source is None:
        raise errors.Permanent(f"--source-…: no source is named {name!r}")
    if not isinstance(source, port.Locked):
        raise errors.Permanent(f"source {name}: it asks nobody who they are: leave out its --source-…-file")
    source.unlock(keys)


def _make(text: str) -> port.Source:
    head, equals, location = text.partition("=")
    kind, _, name = head.partition(":")
    if kind not in ALONE and (not equals or not location):
        raise errors.Permanent(
            f"source {address.shown(text)!r}: write KIND=LOCATION, e.g. dropwizard=http://127.0.0.1:8081/metrics"
        )
    if kind not in KINDS:
        raise errors.Permanent(
            f"source {address.shown(text)!r}: there is no kind {kind!r}, only {', '.join(KINDS)}"
        )
    made: port.Source = importlib.import_module(KINDS[kind]).source(name or kind, location)
    return made
