"""A service as one thing: its snapshots and heartbeats folded, its fresh instances counted. Pure."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from concierge_backends import port
from concierge_proto import messages, metric, settings

NANOSECONDS = 1_000_000_000
COUNTS = ("heard", "running")
"""What a threshold may name instead of a metric."""


def wanted(service: settings.Service) -> tuple[metric.Metric, ...]:
    """Return the metrics that the service's thresholds and `aggregates` name, each once."""
    names = [threshold.metric for threshold in service.triggers] + list(service.aggregates.metrics)
    return tuple(dict.fromkeys(metric.parse(name) for name in names if name not in COUNTS))


@dataclass
class _Instance:
    boot: str = ""
    state: int | None = None
    """None: no heartbeat of this boot yet."""
    heard_ns: int = 0
    said_ns: int = 0
    """The latest time that it wrote on anything itself."""
    stated_ns: int = 0
    """The time on its last heartbeat."""
    measured_ns: int = 0
    """The time on its last snapshot."""
    until_ns: int = 0
    """Its values are no longer fresh after this."""
    values: Mapping[metric.Metric, float] = field(default_factory=dict)


class Aggregator:
    """One service. Times are nanoseconds since 1970; `now_ns` is the time of arrival."""

    def __init__(self, service: str, fresh_s: float, metrics: Iterable[metric.Metric]) -> None:
        self.service = service
        self.metrics = tuple(metrics)
        self._fresh_ns = int(fresh_s * NANOSECONDS)
        self._instances: dict[str, _Instance] = {}

    def alike(self, other: "Aggregator") -> bool:
        """Return whether it folds in the same way."""
        return (self._fresh_ns, self.metrics) == (other._fresh_ns, other.metrics)  # noqa: SLF001 - one class

    def snapshot(self, snapshot: messages.Snapshot, now_ns: int) -> None:
        """Take in a snapshot; one from before the last, or from before the stop, is nothing."""
        found = self._meet(snapshot, now_ns)
        if found is None or snapshot.time_ns < found.measured_ns:
            return
        if found.state == 0:
            if snapshot.time_ns <= found.stated_ns:
                return
            found.state = None
        found.measured_ns = snapshot.time_ns
        fresh_ns = max(self._fresh_ns, int(2 * snapshot.interval_s * NANOSECONDS))
        found.until_ns = min(now_ns, snapshot.time_ns) + fresh_ns
        found.values = dict(pick(snapshot, self.metrics))

    def heartbeat(self, heartbeat: messages.Heartbeat, now_ns: int) -> None:
        """Take in a heartbeat; the state 0 drops the instance at once."""
        found = self._meet(heartbeat, now_ns)
        if found is not None and heartbeat.time_ns >= found.stated_ns:
            found.state, found.stated_ns = heartbeat.state, heartbeat.time_ns

    def heard(self, instance: str, now_ns: int) -> None:
        """Take note of a sign of life whose content does not matter."""
        found = self._instances.setdefault(instance, _Instance())
        if found.state != 0:
            found.heard_ns = max(found.heard_ns, now_ns)

    def shift(self, away_ns: int) -> None:
        """Forgive a silence that was ours: nothing could be heard for so long."""
        for instance in self._instances.values():
            instance.heard_ns += away_ns
            instance.until_ns += away_ns

    def aggregates(self, now_ns: int) -> port.Aggregates:
        """Return the service as it is now; instances that were silent for ten times `fresh` are forgotten."""
        self._forget(now_ns - 10 * self._fresh_ns)
        oldest = now_ns - self._fresh_ns
        fresh = [one for one in self._instances.values() if one.state != 0 and one.heard_ns >= oldest]
        measured = [one for one in fresh if one.until_ns >= now_ns]
        return port.Aggregates(
            service=self.service,
            time_ns=now_ns,
            heard=len(fresh),
            running=sum(1 for one in fresh if one.state == 1),
            metrics=tuple(_over(measured, self.metrics)),
        )

    def _meet(self, said: messages.Snapshot | messages.Heartbeat, now_ns: int) -> _Instance | None:
        """Return who said that, heard; None for the last words of an earlier life."""
        found = self._instances.get(said.instance)
        other = found is not None and found.boot != said.boot
        # One without a boot was never heard itself, only spoken of.
        if found is None or (other and (not found.boot or found.said_ns <= said.time_ns)):
            found = self._instances[said.instance] = _Instance(said.boot)
        if found.boot != said.boot:
            return None
        found.heard_ns = max(found.heard_ns, now_ns)
        found.said_ns = max(found.said_ns, said.time_ns)
        return found

    def _forget(self, oldest: int) -> None:
        for name in [name for name, one in self._instances.items() if one.heard_ns < oldest]:
            del self._instances[name]


def pick(
    snapshot: messages.Snapshot, metrics: Iterable[metric.Metric]
) -> Iterable[tuple[metric.Metric, float]]:
    """Yield those of `metrics` that the snapshot has as finite numbers."""
    for one in metrics:
        value = _find(snapshot.blocks, one)
        if isinstance(value, (int, float)) and math.isfinite(value):
            yield one, float(value)


def _find(blocks: Iterable[messages.Block], one: metric.Metric) -> messages.Value | None:
    for block in blocks:
        if block.kind == one.kind and one.field in block.fields and one.name in block.names:
            row, column = block.names.index(one.name), block.fields.index(one.field)
            return block.values[row * len(block.fields) + column]
    return None


def _over(instances: list[_Instance], metrics: Iterable[metric.Metric]) -> Iterable[port.Aggregate]:
    for one in metrics:
        values = [instance.values[one] for instance in instances if one in instance.values]
        total = sum(values)
        if values and math.isfinite(total):
            yield port.Aggregate(one, len(values), total / len(values), total, min(values), max(values))
