"""Servers that speak bytes: behind TLS, on a unix socket, or with no manners at all."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

Talk = Callable[["Door", socket.socket], None]
BODY = b'{"counters": {"hits": {"count": 3}}}'


class Door:
    """Accepts, lets `talk` do the rest, and remembers what was asked."""

    def __init__(self, listener: socket.socket, talk: Talk, context: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self.closing = threading.Event()
        self.port = 0 if listener.family == socket.AF_UNIX else int(listener.getsockname()[1])
        self._listener = listener
        self._talk = talk
        self._context = context

    def run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        with contextlib.suppress(OSError), plain:
            if self._context:
                with self._context.wrap_socket(plain, server_side=True) as secured:
                    self._talk(self, secured)
            else:
                self._talk(self, plain)

    def stop(self) -> None:
        self.closing.set()
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept
        self._listener.close()


@contextlib.contextmanager
def opened(talk: Talk, context: ssl.SSLContext | None = None, path: Path | None = None) -> Iterator[Door]:
    """Listen on 127.0.0.1, or at `path`."""
    with socket.socket(socket.AF_UNIX if path else socket.AF_INET) as listener:
        listener.bind(str(path) if path else ("127.0.0.1", 0))
        listener.listen()
        door = Door(listener, talk, context)
        thread = threading.Thread(target=door.run, daemon=True)
        thread.start()
        try:
            yield door
        finally:
            door.stop()
            thread.join()


def says(answer: bytes) -> Talk:
    """Hear the request, answer with exactly this, hang up."""

    def talk(door: Door, connection: socket.socket) -> None:
        asked = b""
        while b"\r\n\r\n" not in asked:
            asked += connection.recv(65536) or b"\r\n\r\n"
        door.requests.append(asked)
        connection.sendall(answer)

    return talk


def answer(body: bytes = BODY, status: str = "200 OK", *headers: str) -> bytes:
    """Return an answer of HTTP/1.1."""
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*head, "", ""]).encode() + body


def repeats(head: bytes, part: bytes) -> Talk:
    """Send a head, and the same part again and again."""

    def talk(door: Door, connection: socket.socket) -> None:
        connection.sendall(head)
        while not door.closing.is_set():
            connection.sendall(part)

    return talk


def drips(head: bytes, part: bytes) -> Talk:
    """The same slowly: no single read is ever late."""

    def talk(door: Door, connection: socket.socket) -> None:
        connection.sendall(head)
        while not door.closing.wait(0.05):
            connection.sendall(part)

    return talk


def hangs(door: Door, _: socket.socket) -> None:
    """Accept, and nothing else."""
    door.closing.wait()
