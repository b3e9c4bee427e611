"""What couriers say, made short for tests."""

from datetime import UTC, datetime
from typing import Any

from concierge_backends import port
from concierge_proto import messages, metric

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
NOW = datetime.fromtimestamp(1_700_000_000, UTC)
LOAD = metric.Metric("gauge", "load", "value")


def block(**values: messages.Value | None) -> messages.Block:
    """Gauges."""
    return messages.Block(kind="gauge", fields=("value",), names=tuple(values), values=tuple(values.values()))


def snapshot(instance: str = "one", at: int = START, **rest: Any) -> messages.Snapshot:
    values = {"service": "web", "boot": "b1", "seq": 1, "blocks": (block(load=1.0),)}
    return messages.Snapshot(instance=instance, time_ns=at, **{**values, **rest})


def heartbeat(instance: str = "one", at: int = START, state: int = 1, **rest: Any) -> messages.Heartbeat:
    values = {"service": "web", "boot": "b1"}
    return messages.Heartbeat(instance=instance, time_ns=at, state=state, **{**values, **rest})


def aggregates(load: float | None, at: int = START, heard: int = 1, running: int = 1) -> port.Aggregates:
    found = () if load is None else (port.Aggregate(LOAD, 1, load, load, load, load),)
    return port.Aggregates("web", at, heard, running, found)
