"""A document of whatever form: a file's, or what a command has printed."""

import contextlib
from collections.abc import Iterable

from concierge_courier.sources import body, cells, document, dropwizard, flat, healthchecks, port, prometheus
from concierge_proto import errors


class Decoder:
    """Sees the form for itself: Dropwizard's metrics, its health checks, any other JSON, Prometheus's text."""

    def __init__(self) -> None:
        self._text = prometheus.Decoder()

    def decode(self, content: bytes, name: str) -> port.Reading:
        """Return what it holds; raise Temporary when it is none of these."""
        return self.stream([content], name)

    def stream(self, chunks: Iterable[bytes], name: str) -> port.Reading:
        """Return the same of what comes chunk by chunk."""
        begin, whole = body.peeked(chunks)
        if begin.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] not in {b"{", b"["}:
            return self._text.stream(whole, name)
        return self._json(body.joined(whole), name)

    def _json(self, content: bytes, name: str) -> port.Reading:
        with contextlib.suppress(errors.Temporary):
            return dropwizard.decode(content, name)
        try:
            found = cells.parse(content)
        except errors.Temporary as error:
            return self._named(content, name, error)
        if healthchecks.recognised(found):
            return healthchecks.reading(found, name)
        return flat.flatten(found, name)

    def _named(self, content: bytes, name: str, error: errors.Temporary) -> port.Reading:
        """Read `{"a.name"} 5`, a sample of Prometheus 3: all that begins like JSON and is none."""
        try:
            return self._text.decode(content, name)
        except errors.Temporary:
            raise error from None


def source(name: str, location: str) -> port.Source:
    return document.Document(name, location, Decoder().stream)
