"""One reading of one document, over HTTP or from a file. Blocking: it runs in a thread of its own."""

import contextlib
import http.client
import socket
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Protocol
from urllib.parse import SplitResult, urlsplit

from concierge_courier import VERSION
from concierge_courier.sources import port
from concierge_proto import errors

_CHUNK = 256 * 1024
_OK = 200
_HEADERS = {
    "Accept": "application/json, text/plain;q=0.5, */*;q=0.1",
    "Accept-Encoding": "identity",
    "User-Agent": f"concierge-courier/{VERSION}",
    "Connection": "close",
}


class Fetch(Protocol):
    """`read` once; `abort` from another thread makes it end."""

    def read(self, limits: port.Limits, started: port.Started) -> bytes:
        """Return the document. Raises TimeoutError, or Temporary with the reason."""

    def abort(self) -> None: ...


def opener(location: str) -> Callable[[], Fetch]:
    """Return what makes a Fetch of `http(s)://…`, `file:/path` or a path; raise Permanent."""
    if not location.startswith(("http:", "https:")):
        path = Path(urlsplit(location).path if location.startswith("file:") else location)
        return lambda: FileFetch(path)
    try:
        url = urlsplit(location)
        valid = bool(url.hostname) and url.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise errors.Permanent(f"{location!r} is no address: write http://host:port/path")
    return lambda: HttpFetch(url)


class FileFetch:
    """A file, as a whole."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, limits: port.Limits, started: port.Started) -> bytes:
        try:
            with self._path.open("rb") as file:
                started()
                body = file.read(limits.size + 1)
        except OSError as error:
            raise errors.Temporary(f"cannot read {self._path}: {error.strerror}") from error
        return _capped(body, limits.size, str(self._path))

    def abort(self) -> None:
        """Reading a file can't be cut short."""


class HttpFetch:
    """A GET over HTTP(S), from connect to the last byte within one time limit. Follows no redirect."""

    def __init__(self, url: SplitResult) -> None:
        self._url = url
        self._where = url._replace(netloc=url.netloc.rpartition("@")[2], query="", fragment="").geturl()
        self._sock: socket.socket | None = None
        self._until = 0.0

    def read(self, limits: port.Limits, started: port.Started) -> bytes:
        self._until = time.monotonic() + limits.patience
        try:
            with contextlib.closing(self._connect(limits.patience)) as connection:
                return self._exchange(connection, limits.size, started)
        except TimeoutError:
            raise
        except (OSError, http.client.HTTPException, zlib.error) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise errors.Temporary(f"cannot read {self._where}: {reason}") from error

    def abort(self) -> None:
        if self._sock:
            with contextlib.suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)

    def _connect(self, patience: float) -> http.client.HTTPConnection:
        secure = self._url.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(str(self._url.hostname), self._url.port, timeout=patience)
        connection.connect()
        self._sock = connection.sock
        return connection

    def _exchange(self, connection: http.client.HTTPConnection, size: int, started: port.Started) -> bytes:
        path = self._url.path or "/"
        connection.request("GET", f"{path}?{self._url.query}" if self._url.query else path, headers=_HEADERS)
        with connection.getresponse() as response:
            started()
            if response.status != _OK:
                raise errors.Temporary(f"{self._where} answered {_status(response)}")
            body = self._body(response, size)
        if response.getheader("Content-Encoding", "identity") not in {"gzip", "deflate"}:
            return body
        return _capped(zlib.decompressobj(47).decompress(body, size + 1), size, self._where)

    def _body(self, response: http.client.HTTPResponse, size: int) -> bytes:
        if (response.length or 0) > size:
            raise errors.Temporary(_too_large(self._where, size))
        body = bytearray()
        while len(body) <= size:
            self._hurry()
            chunk = response.read1(_CHUNK)
            if not chunk:
                break
            body += chunk
        if response.length and len(body) <= size:
            raise errors.Temporary(f"{self._where} broke off after {len(body):,} bytes")
        return _capped(bytes(body), size, self._where)

    def _hurry(self) -> None:
        """Give the next read no more than the time that is left of the whole."""
        left = self._until - time.monotonic()
        if left <= 0 or not self._sock:
            raise TimeoutError
        self._sock.settimeout(left)


def _status(response: http.client.HTTPResponse) -> str:
    target = response.getheader("Location")
    moved = f", it moved to {target}: name that address" if target else ""
    return f"{response.status} {response.reason}{moved}"


def _capped(body: bytes, size: int, where: str) -> bytes:
    if len(body) > size:
        raise errors.Temporary(_too_large(where, size))
    return body


def _too_large(where: str, size: int) -> str:
    return f"{where} is larger than {size:,} bytes: publish fewer metrics, or raise --max-body"
