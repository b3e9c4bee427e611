#!/usr/bin/env python3
"""The shop's customers: shares the load in a file among the shops that ask for their share.

The load is in shops' worth: 1.0 fills one instance, 1.6 is too much for one and comfortable for two.
"""

import argparse
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

OPEN = 1.0
"""Seconds without a question after which a shop counts as closed."""


class Customers:
    """Who is open, and what is offered."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._asked: dict[str, float] = {}

    def share(self, shop: str, now: float) -> float:
        """Return this shop's share of the load, now that it has asked."""
        asked = {**self._asked, shop: now}
        self._asked = {name: at for name, at in asked.items() if now - at < OPEN}
        return self._offered() / len(self._asked)

    def _offered(self) -> float:
        try:
            return max(0.0, float(self._file.read_text("utf-8")))
        except ValueError:
            return 0.0


def page(customers: Customers) -> type[BaseHTTPRequestHandler]:
    """Answer `GET /share/NAME`."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f"{customers.share(self.path.rpartition('/')[2], time.monotonic()):.6f}".encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Customers are quiet."""

    return Page


def main() -> None:
    parser = argparse.ArgumentParser(description="The shop's customers.")
    parser.add_argument("--port", type=int, default=9000)
    parser.add_argument("--load-file", type=Path, required=True)
    options = parser.parse_args()
    ThreadingHTTPServer(("", options.port), page(Customers(options.load_file))).serve_forever()


if __name__ == "__main__":
    main()
