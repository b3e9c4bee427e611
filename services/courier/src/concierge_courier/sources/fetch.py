"""One reading of one document: over HTTP(S), a unix socket, from a file. Blocking: in a thread of its own."""

import contextlib
import http.client
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

from concierge_courier import VERSION
from concierge_courier.sources import access, address, body, port
from concierge_proto import errors

_OK = 200
_HEADERS = {
    "Accept-Encoding": "identity",  # packing costs the application more than the way inside a container
    "User-Agent": f"concierge-courier/{VERSION}",
    "Connection": "close",
}
_OPEN = access.Access()


class Wanted(NamedTuple):
    """What a source asks for."""

    accept: str = "application/json, text/plain;q=0.5, */*;q=0.1"
    statuses: frozenset[int] = frozenset({_OK})
    """Of answers whose body is the document."""


ANYTHING = Wanted()


class Fetch(Protocol):
    """`chunks` once; `abort` from another thread makes it end."""

    def chunks(self, limits: port.Limits, started: port.Started) -> Iterator[bytes]:
        """Yield the document. Raises TimeoutError, or Temporary with the reason."""

    def abort(self) -> None: ...


def read(opened: Fetch, limits: port.Limits, started: port.Started) -> bytes:
    """Return the document; raise as `chunks`."""
    return body.joined(opened.chunks(limits, started))


def opener(
    location: str, keys: access.Access = _OPEN, name: str = "", wanted: Wanted = ANYTHING
) -> Callable[[], Fetch]:
    """Return what makes a Fetch of `http(s)://…`, `unix:/socket:/path`, `file:/path` or a path.

    `name` is the source's, for errors. Raises Permanent when it is no address or `keys` do not fit it.
    """
    if not location.startswith(("http:", "https:", "unix:")):
        address.refuse(location)
        if keys != _OPEN:
            raise errors.Permanent(f"source {name}: nobody asks at a file: leave out its --source-…-file")
        path = Path(urlsplit(location).path if location.startswith("file:") else location)
        return lambda: FileFetch(path)
    where = address.parse(location)
    if keys.secure and where.url.scheme != "https":
        raise errors.Permanent(f"source {name}: certificates are of use with https:// alone")
    keys.check(name)
    door = _Door(where, keys, name, wanted)
    return lambda: HttpFetch(door)


class FileFetch:
    """A file, as a whole."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def chunks(self, limits: port.Limits, started: port.Started) -> Iterator[bytes]:
        left = limits.size + 1
        try:
            with self._path.open("rb", buffering=0) as file:
                started()
                while left > 0 and (chunk := file.read(min(body.CHUNK, left))):
                    left -= len(chunk)
                    yield chunk
        except OSError as error:
            raise errors.Temporary(f"cannot read {self._path}: {error.strerror}") from error
        if left <= 0:
            raise body.too_large(str(self._path), limits.size)

    def abort(self) -> None:
        """Reading a file can't be cut short."""


class _Door:
    """Where a source is, and what opens it; outlives the single reading."""

    def __init__(self, where: address.Address, keys: access.Access, name: str, wanted: Wanted) -> None:
        self.wanted = wanted
        self.url = where.url
        self.target = where.target
        self.where = where.shown
        self._socket = where.socket
        self._keys = keys
        self._name = name
        self._context: ssl.SSLContext | None = None
        self._stamp: tuple[int, ...] = ()

    def headers(self) -> dict[str, str]:
        return _HEADERS | {"Accept": self.wanted.accept} | self._keys.headers(self._name)

    def context(self) -> ssl.SSLContext:
        """Return the same one until its files are replaced."""
        stamp = self._keys.stamp()
        if self._context is None or stamp != self._stamp:
            self._context, self._stamp = self._keys.context(), stamp
        return self._context

    def dial(self, patience: float) -> socket.socket:
        if not self._socket:
            secure = self.url.scheme == "https"
            place = self.url.port or (http.client.HTTPS_PORT if secure else http.client.HTTP_PORT)
            return socket.create_connection((str(self.url.hostname), place), patience)
        dialled = socket.socket(socket.AF_UNIX)
        try:
            dialled.settimeout(patience)
            dialled.connect(self._socket)
        except OSError:
            dialled.close()
            raise
        return dialled


class HttpFetch:
    """A GET over HTTP(S), from connect to the last byte within one time limit. Follows no redirect."""

    def __init__(self, door: _Door) -> None:
        self._door = door
        self._sock: socket.socket | None = None
        self._until = 0.0

    def chunks(self, limits: port.Limits, started: port.Started) -> Iterator[bytes]:
        self._until = time.monotonic() + limits.patience
        try:
            with contextlib.closing(self._connect(limits.patience)) as connection:
                yield from self._exchange(connection, limits.size, started)
        except TimeoutError:
            raise
        except (OSError, http.client.HTTPException, zlib.error) as error:
            raise errors.Temporary(f"cannot read {self._door.where}: {_reason(error)}") from error

    def abort(self) -> None:
        if self._sock:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self._sock, socket.SHUT_RDWR)  # not TLS's own: its thread is in it

    def _connect(self, patience: float) -> http.client.HTTPConnection:
        url = self._door.url
        connection = http.client.HTTPConnection(url.netloc)
        self._sock = connection.sock = self._door.dial(patience)
        if url.scheme == "https":
            connection.sock = self._secured(self._sock)
        return connection

    def _secured(self, plain: socket.socket) -> ssl.SSLSocket:
        try:
            secured = self._door.context().wrap_socket(
                plain, server_hostname=self._door.url.hostname, do_handshake_on_connect=False
            )
        except BaseException:
            plain.close()
            raise
        self._sock = secured
        try:
            self._hurry()
            secured.do_handshake()
        except BaseException:
            secured.close()
            raise
        return secured

    def _exchange(
        self, connection: http.client.HTTPConnection, size: int, started: port.Started
    ) -> Iterator[bytes]:
        connection.request("GET", self._door.target, headers=self._door.headers())
        with connection.getresponse() as response:
            started()
            if response.status not in self._door.wanted.statuses:
                raise errors.Temporary(f"{self._door.where} answered {_status(response)}")
            yield from body.chunks(response, size, self._hurry, self._door.where)

    def _hurry(self) -> None:
        """Give the next read no more than the time that is left of the whole."""
        left = self._until - time.monotonic()
        if left <= 0 or not self._sock:
            raise TimeoutError
        self._sock.settimeout(left)


def _status(response: http.client.HTTPResponse) -> str:
    target = response.getheader("Location")
    moved = f", it moved to {address.shown(target)}: name that address" if target else ""
    return f"{response.status} {address.foreign(response.reason)}{moved}"


def _reason(error: Exception) -> str:
    return address.foreign(getattr(error, "strerror", None) or str(error) or type(error).__name__)
