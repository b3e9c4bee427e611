"""Where a document is: `http(s)://host:port/path?query`, or `unix:/path/of.sock:/path?query`."""

import re
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from concierge_proto import errors

_BARE = re.compile(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):[0-9]+(/|$)")
"""host:port, perhaps with a path."""
SHOWN = 200
"""Characters of foreign text in a sentence of ours."""


class Address(NamedTuple):
    """One that can be asked."""

    url: SplitResult
    socket: str = ""
    """Path of a unix socket; the URL is then what to ask there."""

    @property
    def target(self) -> str:
        """What to GET."""
        path = self.url.path or "/"
        return f"{path}?{self.url.query}" if self.url.query else path

    @property
    def shown(self) -> str:
        """What errors call it."""
        return f"unix:{self.socket}:{self.url.path or '/'}" if self.socket else shown(self.url.geturl())


def parse(location: str) -> Address:
    """Return the address; raise Permanent when it is none, or has a password in it."""
    path, url = "", location
    if location.startswith("unix:"):
        path, _, rest = location.removeprefix("unix:").partition(":")
        url = f"http://localhost{rest}"
    found = _split(url)
    if not found or not (path.startswith("/") or url is location):
        raise errors.Permanent(
            f"{shown(location)!r} is no address: write http://host:port/path or unix:/path/of.sock:/path"
        )
    if "@" in found.netloc:
        raise errors.Permanent(
            f"{shown(location)}: a password in an address shows up in every list of processes: "
            "say --source-user NAME=USER and --source-password-file NAME=FILE"
        )
    return Address(found, path)


def refuse(location: str) -> None:
    """Raise Permanent when a path is an address that lacks its `http://`, or has another scheme than ours."""
    foreign_scheme = "://" in location and not location.startswith("file:")
    if foreign_scheme or _BARE.match(location):
        raise errors.Permanent(
            f"{shown(location)!r} is no address: write http://host:port/path (of a file: ./ before its name)"
        )


def shown(location: str) -> str:
    """Return an address without what may be secret: user, password, query."""
    scheme, slashes, rest = location.partition("://")
    host, slash, path = rest.partition("/")
    bare = f"{scheme}{slashes}{host.rpartition('@')[2]}{slash}{path}" if slashes else location
    return foreign(bare.partition("?")[0].partition("#")[0])


def foreign(text: str) -> str:
    """Return what others said so that it can stand in a sentence: short, without control characters."""
    return "".join(character if character.isprintable() else "�" for character in text[:SHOWN])


def _split(url: str) -> SplitResult | None:
    if not url.isascii() or not url.isprintable() or " " in url:
        return None
    try:
        found = urlsplit(url)
        valid = found.hostname and found.port != 0
    except ValueError:
        return None
    return found if valid else None
