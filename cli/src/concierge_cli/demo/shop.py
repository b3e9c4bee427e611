"""The demo's application: a small web shop that knows nothing of Concierge. One file, standard library only.

It serves its metrics as Dropwizard JSON at /metrics and takes its share of the customers from a balancer:

    python shop.py --port 8080 --balancer http://127.0.0.1:9000/
"""

import argparse
import json
import random
import signal
import socket
import threading
import time
import urllib.request
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CAPACITY = 50.0
"""Customers a second that one instance serves at load 1."""
TURN = 0.2
"""Seconds between two looks at the balancer."""


class Shop:
    """Serves customers and counts what it does."""

    def __init__(self) -> None:
        self.load = 0.0
        self.served = 0
        self.durations: deque[float] = deque([0.0], maxlen=500)

    def serve(self, load: float) -> None:
        """One turn at that share of our capacity."""
        self.load = load
        customers = int(load * CAPACITY * TURN)
        self.served += customers
        slower = 1 / max(0.1, 1.2 - load)
        self.durations.extend(random.uniform(0.01, 0.05) * slower for _ in range(customers))  # noqa: S311

    def metrics(self) -> dict[str, object]:
        """Return what a Dropwizard metrics servlet would."""
        timings = sorted(self.durations)
        return {
            "version": "4.0.0",
            "gauges": {"load": {"value": round(self.load, 4)}},
            "counters": {"customers": {"count": self.served}},
            "histograms": {},
            "meters": {},
            "timers": {
                "checkout": {
                    "count": self.served,
                    "max": timings[-1],
                    "mean": sum(timings) / len(timings),
                    "min": timings[0],
                    "p50": timings[len(timings) // 2],
                    "p95": timings[int(len(timings) * 0.95)],
                    "duration_units": "seconds",
                    "rate_units": "calls/second",
                },
            },
        }


def handler(shop: Shop) -> type[BaseHTTPRequestHandler]:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(shop.metrics() if self.path == "/metrics" else {"shop": "open"}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """A shop is quiet."""

    return Page


def trade(shop: Shop, balancer: str, name: str, closing: threading.Event) -> None:
    """Ask the balancer for our share until the shop closes."""
    while not closing.wait(TURN):
        try:
            with urllib.request.urlopen(f"{balancer.rstrip('/')}/share/{name}", timeout=2) as answer:  # noqa: S310
                shop.serve(float(answer.read()))
        except (OSError, ValueError):
            time.sleep(TURN)


def main() -> None:
    parser = argparse.ArgumentParser(description="The demo's web shop.")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--balancer", default="http://127.0.0.1:9000/", help="where customers come from")
    parser.add_argument("--name", default=socket.gethostname(), help="what the balancer knows it by")
    options = parser.parse_args()

    shop, closing = Shop(), threading.Event()
    server = ThreadingHTTPServer(("0.0.0.0", options.port), handler(shop))  # noqa: S104 - a container's port
    server.daemon_threads = True
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: closing.set())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    trade(shop, options.balancer, options.name, closing)
    server.shutdown()


if __name__ == "__main__":
    main()
