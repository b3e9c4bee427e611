"""What things are called in Zabbix: the backend sends to these names, and `provision` makes them. Pure."""

from typing import NamedTuple

from concierge_backends import port
from concierge_backends.zabbix import keys
from concierge_proto import errors, metric, settings

STATE, REASON, PING = "container.state", "container.state.reason", "container.ping"
ELAPSED = "courier.elapsed"
HEARD, RUNNING = "service.heard", "service.running"
COUNTS = {"heard": HEARD, "running": RUNNING}
"""Metrics of a threshold that are no aggregate of a metric."""
OBSERVED = ("avg", "sum", "max")
"""What `[services.NAME.aggregates]` gives of each metric."""


class Tracked(NamedTuple):
    """One aggregate that a service's host has an item for."""

    of: str
    metric: metric.Metric

    @property
    def key(self) -> str:
        """Raises Malformed where Zabbix can have no such item."""
        found = keys.aggregate(self.of, self.metric)
        if found is None:
            raise errors.Malformed(f"metric {self.metric}: Zabbix cannot quote this name")
        return found


def instance_host(config: settings.Settings, service: str, instance: str) -> str:
    return config.monitoring.zabbix.instance_host.format(instance=instance, service=service)


def instance(config: settings.Settings, service: str, host: str) -> str:
    """Return the instance of a service whose host has this name; any other name as it is."""
    before, _, after = instance_host(config, service, "{instance}").partition("{instance}")
    if len(host) > len(before) + len(after) and host.startswith(before) and host.endswith(after):
        return host[len(before) : len(host) - len(after)]
    return host


def instance_template(service: str) -> str:
    return f"Concierge instance of {service}"


def service_host(config: settings.Settings, service: str) -> str:
    return config.monitoring.zabbix.service_host.format(service=service)


def host_group(config: settings.Settings, service: str) -> str:
    return config.monitoring.zabbix.host_group.format(service=service)


def tracked(service: settings.Service) -> tuple[Tracked, ...]:
    """Return the aggregates of all thresholds and of `aggregates.metrics`, each once. Raises Malformed."""
    thresholds = [
        Tracked(threshold.of, metric.parse(threshold.metric))
        for threshold in service.triggers
        if threshold.metric not in COUNTS
    ]
    observed = [Tracked(of, metric.parse(text)) for text in service.aggregates.metrics for of in OBSERVED]
    return tuple(dict.fromkeys(thresholds + observed))


def watched(threshold: settings.Threshold) -> str:
    """Return the key of the item that a threshold looks at."""
    count = COUNTS.get(threshold.metric)
    return count or Tracked(threshold.of, metric.parse(threshold.metric)).key


def measured(aggregates: port.Aggregates, wanted: tuple[Tracked, ...]) -> dict[str, float]:
    """Return the value of each item of the service's host; absent metrics are left out."""
    found = {aggregate.metric: aggregate for aggregate in aggregates.metrics}
    values: dict[str, float] = {HEARD: aggregates.heard, RUNNING: aggregates.running}
    for one in wanted:
        if one.metric in found:
            values[one.key] = getattr(found[one.metric], one.of)
    return values
