"""The demo's customers: shares the offered load among the shops that are open."""

import contextlib
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

OPEN = 1.0
"""Seconds without a question after which a shop counts as closed."""


class Balancer:
    """The offered load, in shops' worth: 1.0 fills one instance."""

    def __init__(self, offered: float) -> None:
        self.offered = offered
        self.url = ""
        self._lock = threading.Lock()
        self._asked: dict[str, float] = {}

    def share(self, name: str) -> float:
        """Return this shop's share, now that it has asked."""
        now = time.monotonic()
        with self._lock:
            self._asked[name] = now
            self._asked = {shop: at for shop, at in self._asked.items() if now - at < OPEN}
            return self.offered / len(self._asked)


@contextlib.contextmanager
def serving(host: str, offered: float) -> Iterator[Balancer]:
    """Answer `GET /share/NAME` on a free port of `host` while the context is open."""
    balancer = Balancer(offered)

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f"{balancer.share(self.path.rpartition('/')[2]):.6f}".encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """The terminal belongs to the demo."""

    server = ThreadingHTTPServer((host, 0), Page)
    server.daemon_threads = True
    balancer.url = f"http://{host}:{server.server_address[1]}/"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield balancer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
