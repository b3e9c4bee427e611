"""The configuration: one TOML file, overridden by the environment, every key known, every mistake named."""

from concierge_proto.settings.load import environment, load, parse, read_secret
from concierge_proto.settings.model import (
    Forwarder,
    Gateway,
    Monitoring,
    Nats,
    Observed,
    Operator,
    Process,
    Prometheus,
    Room,
    Rule,
    Scheduler,
    Service,
    Settings,
    Source,
    Target,
    Threshold,
    Zabbix,
)
from concierge_proto.settings.units import Duration, Size

__all__ = [
    "Duration",
    "Forwarder",
    "Gateway",
    "Monitoring",
    "Nats",
    "Observed",
    "Operator",
    "Process",
    "Prometheus",
    "Room",
    "Rule",
    "Scheduler",
    "Service",
    "Settings",
    "Size",
    "Source",
    "Target",
    "Threshold",
    "Zabbix",
    "environment",
    "load",
    "parse",
    "read_secret",
]
