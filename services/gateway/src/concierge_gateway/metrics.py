"""What the gateway counts."""

import functools

import prometheus_client

REQUESTS = prometheus_client.Counter(
    "concierge_gateway_requests",
    "Webhooks, by source and what became of them; `_` is a source that is not configured.",
    ("source", "outcome"),
)
requests = functools.cache(REQUESTS.labels)
SECONDS = prometheus_client.Histogram(
    "concierge_gateway_request_seconds",
    "From the head of a webhook to its answer.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0),
)
PINGS = prometheus_client.Counter(
    "concierge_gateway_pings",
    "Pings asked for: 1 and 0 as they were answered, else the status.",
    ("outcome",),
)
COMMANDS = prometheus_client.Counter(
    "concierge_gateway_commands", "Commands that were stored, repeats not counted.", ("service", "verb")
)
commands = functools.cache(COMMANDS.labels)
REPAIRS = prometheus_client.Counter(
    "concierge_gateway_repairs",
    "What the minute's look at the open problems had to do: opened, closed, ticked, or failed.",
    ("source", "what"),
)
