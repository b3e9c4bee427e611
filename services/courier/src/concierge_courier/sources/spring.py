"""Spring Boot: 2 and 3 at /actuator/prometheus, 1 at /metrics. Which one it is shows at the first answer."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from concierge_courier.sources import access, body, cells, document, flat, port, prometheus
from concierge_proto import errors

_PATHS = ("/actuator/prometheus", "/metrics")


class Spring:
    """One request a collection, once it has answered."""

    def __init__(self, name: str, location: str) -> None:
        self.name = name
        base = location.rstrip("/")
        told = not location.startswith(("http:", "https:")) or urlsplit(base).path
        places = [location] if told else [base + path for path in _PATHS]
        self._doors = [
            document.Document(name, place, Decoder().stream, prometheus.ACCEPT) for place in places
        ]

    def unlock(self, keys: access.Access) -> None:
        for door in self._doors:
            door.unlock(keys)

    async def read(self, limits: port.Limits, started: port.Started) -> port.Reading:
        complaints: list[errors.Temporary] = []
        for door in self._doors:
            try:
                reading = await door.read(limits, started)
            except errors.Temporary as error:
                complaints.append(error)
            else:
                self._doors = [door]
                return reading
        if len(complaints) == 1:
            raise complaints[0]
        raise errors.Temporary("; ".join(map(str, complaints)))


class Decoder:
    """Of both forms."""

    def __init__(self) -> None:
        self._text = prometheus.Decoder()

    def decode(self, content: bytes, name: str = "spring") -> port.Reading:
        """Return what is in it; raise Temporary when it has no values."""
        return self.stream([content], name)

    def stream(self, chunks: Iterable[bytes], name: str = "spring") -> port.Reading:
        """Return the same of what comes chunk by chunk."""
        begin, whole = body.peeked(chunks)
        if not begin.startswith(b"{"):
            return self._text.stream(whole, name)
        found = cells.parse(body.joined(whole))
        if isinstance(found, dict) and found.keys() == {"names"}:
            raise errors.Temporary(
                "names alone, and the values would cost a request each: expose the endpoint prometheus "
                "(micrometer-registry-prometheus) and name /actuator/prometheus"
            )
        return flat.flatten(found, name)


def source(name: str, location: str) -> port.Source:
    return Spring(name, location)
