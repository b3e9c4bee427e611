"""What the forwarder tells of Zabbix alone, in Prometheus's format."""

import prometheus_client as prometheus

VALUES = prometheus.Counter(
    "concierge_forwarder_zabbix_values_total",
    "Values by what became of them later: late (parked, then taken), undiscovered (parked, given up), "
    "superseded (parked, a newer one took the place), held_back (old values of items with triggers), "
    "refused, resent (after a restart of the server).",
    ["fate"],
)
PARKED = prometheus.Gauge("concierge_forwarder_zabbix_parked", "Values that wait for their items.")
DELAY = prometheus.Gauge(
    "concierge_forwarder_zabbix_configuration_seconds",
    "How long the server took until it accepted values for new items.",
)
