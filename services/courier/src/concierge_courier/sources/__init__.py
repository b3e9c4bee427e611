"""Where metrics come from: the port, one module a kind, and the table that names them."""

import importlib
from collections.abc import Iterable

from concierge_courier.sources import port
from concierge_proto import errors

KINDS = {
    "dropwizard": "concierge_courier.sources.dropwizard",
}
"""Kind to module; the module's `source(name, location)` makes one. It is imported when it is asked for."""


def make(texts: Iterable[str]) -> tuple[port.Source, ...]:
    """Return the sources that `KIND[:NAME]=LOCATION` describe; raise Permanent with the mistake."""
    made: dict[str, port.Source] = {}
    for text in texts:
        source = _make(text)
        if source.name in made:
            raise errors.Permanent(
                f"two sources are named {source.name!r}: name one, e.g. {source.name}:other=…"
            )
        made[source.name] = source
    return tuple(made.values())


def _make(text: str) -> port.Source:
    head, equals, location = text.partition("=")
    kind, _, name = head.partition(":")
    if not equals or not location:
        raise errors.Permanent(
            f"source {text!r}: write KIND=LOCATION, e.g. dropwizard=http://127.0.0.1:8081/metrics"
        )
    if kind not in KINDS:
        raise errors.Permanent(f"source {text!r}: there is no kind {kind!r}, only {', '.join(KINDS)}")
    made: port.Source = importlib.import_module(KINDS[kind]).source(name or kind, location)
    return made
