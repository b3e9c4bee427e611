"""What the embedded backend remembers: for minutes, and bounded."""

from collections import OrderedDict, deque
from typing import TypeVar

from concierge_backends import port
from concierge_proto import messages

_INSTANCES = 1_000
_MOMENTS = 600
"""Aggregates kept of a service: ten minutes at one a second."""
_REPORTS = 1_000


class History:
    """The newest snapshot and state of each instance, the latest of each service, and what became of commands."""

    def __init__(self) -> None:
        self.snapshots: OrderedDict[str, messages.Snapshot] = OrderedDict()
        self.discoveries: OrderedDict[str, messages.Discovery] = OrderedDict()
        self.heartbeats: OrderedDict[str, messages.Heartbeat] = OrderedDict()
        self.aggregates: dict[str, deque[port.Aggregates]] = {}
        self.reports: deque[port.Report] = deque(maxlen=_REPORTS)

    def snapshot(self, snapshot: messages.Snapshot) -> None:
        _keep(self.snapshots, snapshot)

    def discovery(self, discovery: messages.Discovery) -> None:
        _keep(self.discoveries, discovery)

    def heartbeat(self, heartbeat: messages.Heartbeat) -> None:
        """Keep the state; what stopped has no values any more."""
        _keep(self.heartbeats, heartbeat)
        if heartbeat.state == 0:
            self.snapshots.pop(_key(heartbeat), None)
            self.discoveries.pop(_key(heartbeat), None)

    def moment(self, aggregates: port.Aggregates) -> None:
        self.aggregates.setdefault(aggregates.service, deque(maxlen=_MOMENTS)).append(aggregates)

    def report(self, report: port.Report) -> None:
        """Keep what became of a problem or a command, in the order of the log."""
        if report not in self.reports:
            self.reports.append(report)


S = TypeVar("S", messages.Snapshot, messages.Discovery, messages.Heartbeat)


def _key(said: messages.Snapshot | messages.Discovery | messages.Heartbeat) -> str:
    return f"{said.service}/{said.instance}"


def _keep(kept: OrderedDict[str, S], said: S) -> None:
    """Keep the newest of each instance, and the instances that spoke last."""
    found = kept.get(_key(said))
    if found is not None and found.time_ns > said.time_ns:
        return
    kept[_key(said)] = said
    kept.move_to_end(_key(said))
    if len(kept) > _INSTANCES:
        kept.popitem(last=False)
