"""An application's metrics endpoint, as good or bad as a test wants it."""

import contextlib
import http.server
import threading
from collections.abc import Callable, Iterator
from typing import Any

Handler = http.server.BaseHTTPRequestHandler
Answer = Callable[[Handler], None]


class Endpoint(http.server.ThreadingHTTPServer):
    """Answers every GET as `answer` says; counts them."""

    daemon_threads = True
    answer: Answer

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests = 0
        self.closing = threading.Event()
        """Set at the end: what hangs, hangs until then."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/metrics"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reader that went away is part of the game."""


class _Handler(Handler):
    server: Endpoint

    def do_GET(self) -> None:  # noqa: N802 - its name there
        self.server.requests += 1
        self.server.answer(self)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
        pass


@contextlib.contextmanager
def serving(answer: Answer) -> Iterator[Endpoint]:
    with Endpoint() as endpoint:
        endpoint.answer = answer
        thread = threading.Thread(target=endpoint.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield endpoint
        finally:
            endpoint.closing.set()
            endpoint.shutdown()
            thread.join()


def says(body: bytes, status: int = 200, **headers: str) -> Answer:
    """Answer with this."""

    def answer(handler: Handler) -> None:
        handler.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def hangs(handler: Any) -> None:
    """Never answer."""
    handler.server.closing.wait()


def hangs_in_the_middle(handler: Any) -> None:
    says(b'{"gauges":', Content_Length="1000")(handler)
    handler.wfile.flush()
    handler.server.closing.wait()


def drips(handler: Any) -> None:
    """Send a header that never ends, one byte at a time: no single read is ever late."""
    with contextlib.suppress(OSError):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
        while not handler.server.closing.wait(0.05):
            handler.wfile.write(b"x")


def never_ends(handler: Any) -> None:
    """Send a body without a length and without an end."""
    with contextlib.suppress(OSError):
        handler.send_response(200)
        handler.end_headers()
        while not handler.server.closing.is_set():
            handler.wfile.write(b" " * 65536)


def breaks_off(handler: Any) -> None:
    says(b'{"gauges":', Content_Length="1000")(handler)


def slams_the_door(handler: Any) -> None:
    handler.connection.close()
