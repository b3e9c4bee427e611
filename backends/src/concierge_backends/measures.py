"""What the forwarder tells about itself, in Prometheus's format."""

import prometheus_client as prometheus

VALUES = prometheus.Counter(
    "concierge_forwarder_values_total",
    "Values handed to a backend, by what became of them.",
    ["backend", "result"],
)
MESSAGES = prometheus.Counter(
    "concierge_forwarder_messages_total",
    "Messages handed to a backend: delivered, temporary (it will come again), permanent (buried).",
    ["backend", "kind", "result"],
)
SECONDS = prometheus.Histogram(
    "concierge_forwarder_answer_seconds",
    "How long a backend took to answer.",
    ["backend"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
LAG = prometheus.Gauge(
    "concierge_forwarder_lag_messages", "Messages that wait in the stream for a backend.", ["backend"]
)
AGE = prometheus.Gauge(
    "concierge_forwarder_lag_seconds", "How old the last message was when its turn came.", ["backend"]
)
UP = prometheus.Gauge("concierge_forwarder_backend_up", "1: a backend answered its last call.", ["backend"])
HELD = prometheus.Gauge(
    "concierge_forwarder_lease_held", "1: this process tells a backend states and aggregates.", ["backend"]
)
VANISHED = prometheus.Counter(
    "concierge_forwarder_vanished_total", "Instances that fell silent and did not answer a ping."
)
UNREAD = prometheus.Counter(
    "concierge_forwarder_unread_total", "Messages that were heard, and could not be read."
)
render = prometheus.generate_latest
