"""A source that is a document at a location: fetched and decoded in one go, in one thread."""

from collections.abc import Callable, Iterable

from concierge_courier.sources import access, aside, body, fetch, port

Decode = Callable[[Iterable[bytes], str], port.Reading]
"""Of a document, chunk by chunk, and the source's name. Raises Temporary when it is none of its kind."""


class Document:
    """What every source shares that reads one document."""

    def __init__(
        self, name: str, location: str, decode: Decode, wanted: fetch.Wanted = fetch.ANYTHING
    ) -> None:
        self.name = name
        self._location = location
        self._wanted = wanted
        self._open = fetch.opener(location, wanted=wanted)
        self._decode = decode
        self._aside = aside.Aside(f"source {name}")

    def unlock(self, keys: access.Access) -> None:
        """Show this at the door from now on; raise Permanent when it does not fit."""
        self._open = fetch.opener(self._location, keys, self.name, self._wanted)

    async def read(self, limits: port.Limits, started: port.Started) -> port.Reading:
        opened = self._open()
        return await self._aside.run(
            lambda: self._decode(opened.chunks(limits, started), self.name),
            opened.abort,
        )


def whole(decode: Callable[[bytes, str], port.Reading]) -> Decode:
    """Return what decodes chunks where the document is needed as a whole."""
    return lambda chunks, name: decode(body.joined(chunks), name)
