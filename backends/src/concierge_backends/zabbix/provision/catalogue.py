"""What a courier can send, as the templates know it: kinds that are discovered, and items with a key of their own."""

_SPREAD = ("max", "mean", "min", "p50", "p75", "p95", "p98", "p99", "p999", "stddev", "sum")
_RATES = ("m15_rate", "m1_rate", "m5_rate", "mean_rate")
_IO = ("read_bytes", "written_bytes", "reads", "writes")
_TRAFFIC = tuple(
    f"{way}_{what}" for way in ("in", "out") for what in ("bytes", "packets", "errors", "dropped")
)

FIELDS: dict[str, tuple[str, ...]] = {
    "gauge": ("value",),
    "counter": ("count", "value"),
    "histogram": ("count", *_SPREAD, "p90"),
    "meter": ("count", "sum", *_RATES),
    "timer": ("count", *_SPREAD, *_RATES),
    "health": ("value",),
    "device": _IO,
    "interface": _TRAFFIC,
    "filesystem": ("total", "used", "free", "pused", "inodes", "inodes_used", "inodes_pused"),
    "process": ("rss", "cpu", "threads", "fds", "fds_limit", "tree_processes", "tree_rss", "tree_cpu"),
}
"""Kind to the fields that get item prototypes. A counter of Dropwizard has `count`, one of Prometheus `value`."""

_BYTES = ("usage", "working_set", "limit", "peak", "anon", "file", "swap")

CONTAINER: dict[str, str] = {
    **{f"system.cpu.load[all,avg{minutes}]": "" for minutes in (1, 5, 15)},
    **{f"container.cpu.{name}": "s" for name in ("usage", "user", "system", "throttled_time")},
    **{f"container.cpu.{name}": "" for name in ("limit", "periods", "throttled")},
    **{f"container.memory.{name}": "B" for name in _BYTES},
    "container.memory.pused": "%",
    **{f"container.memory.{name}": "" for name in ("oom_kills", "limit_hits")},
    **{f"container.pids.{name}": "" for name in ("current", "limit", "limit_hits")},
    **{f"container.io.{name}": "B" if name.endswith("bytes") else "" for name in _IO},
}
"""Key to unit. Counters are cumulative; what the machine does not count stays without a value."""
