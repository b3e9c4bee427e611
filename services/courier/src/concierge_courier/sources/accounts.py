"""What the control groups say of CPU, memory, processes and block I/O: the same names from both versions.

Counters only grow (seconds, bytes, times); the monitoring system makes rates of them. Absent is absent.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from concierge_courier.sources import cgroup
from concierge_proto import messages

Items = dict[str, messages.Value | None]

_NS, _US = 1e-9, 1e-6
_IO = ("read_bytes", "written_bytes", "reads", "writes")
"""Fields of a block device."""
_IO_ONE = {
    "blkio.throttle.io_service_bytes_recursive": {"Read": "read_bytes", "Write": "written_bytes"},
    "blkio.throttle.io_serviced_recursive": {"Read": "reads", "Write": "writes"},
}
_IO_TWO = {"rbytes": "read_bytes", "wbytes": "written_bytes", "rios": "reads", "wios": "writes"}

Devices = dict[str, dict[str, int]]
"""`major:minor` to the fields of `_IO`."""


def cpu(groups: cgroup.Groups) -> Items:
    """Return seconds that were used, periods, and how many of them and for how long it was held back."""
    if "cpu" in groups.one:
        return _cpu_one(groups.one["cpu"], groups.one.get("cpuacct", groups.one["cpu"]))
    return _cpu_two(groups.two) if groups.two else {}


def _cpu_one(of: cgroup.Folder, accounts: cgroup.Folder) -> Items:
    stat = of.table("cpu.stat")
    quota, period = of.number("cpu.cfs_quota_us"), of.number("cpu.cfs_period_us")
    return {
        "container.cpu.usage": _times(accounts.number("cpuacct.usage"), _NS),
        "container.cpu.user": _times(accounts.number("cpuacct.usage_user"), _NS),
        "container.cpu.system": _times(accounts.number("cpuacct.usage_sys"), _NS),
        "container.cpu.periods": stat.get("nr_periods"),
        "container.cpu.throttled": stat.get("nr_throttled"),
        "container.cpu.throttled_time": _times(stat.get("throttled_time"), _NS),
        "container.cpu.limit": quota / period if quota and quota > 0 and period else None,
    }


def _cpu_two(of: cgroup.Folder) -> Items:
    stat = of.table("cpu.stat")
    quota, _, period = (of.text("cpu.max") or "").partition(" ")
    most, per = cgroup.whole(quota), cgroup.whole(period)
    return {
        "container.cpu.usage": _times(stat.get("usage_usec"), _US),
        "container.cpu.user": _times(stat.get("user_usec"), _US),
        "container.cpu.system": _times(stat.get("system_usec"), _US),
        "container.cpu.periods": stat.get("nr_periods"),
        "container.cpu.throttled": stat.get("nr_throttled"),
        "container.cpu.throttled_time": _times(stat.get("throttled_usec"), _US),
        "container.cpu.limit": most / per if most and per else None,
    }


def memory(groups: cgroup.Groups) -> Items:
    """Return bytes, and how often the limit was hit and processes were killed for it."""
    if "memory" in groups.one:
        found = _memory_one(groups.one["memory"])
    else:
        found = _memory_two(groups.two) if groups.two else {}
    limit, working = found.get("limit"), found.get("working_set")
    found["pused"] = 100 * working / limit if limit and working is not None else None
    return {f"container.memory.{name}": value for name, value in found.items()}


def _memory_one(of: cgroup.Folder) -> dict[str, float | None]:
    stat = of.table("memory.stat")
    usage = of.number("memory.usage_in_bytes")
    limits = (of.limit("memory.limit_in_bytes"), cgroup.bounded(stat.get("hierarchical_memory_limit")))
    return {
        "usage": usage,
        "working_set": _less(usage, stat.get("total_inactive_file")),
        "limit": min((limit for limit in limits if limit is not None), default=None),
        "peak": of.number("memory.max_usage_in_bytes"),
        "anon": stat.get("total_rss"),
        "file": stat.get("total_cache"),
        "swap": stat.get("total_swap"),
        "limit_hits": _hits(of.number("memory.failcnt"), of.number("memory.memsw.failcnt")),
        "oom_kills": of.table("memory.oom_control").get("oom_kill"),
    }


def _hits(alone: int | None, with_swap: int | None) -> int | None:
    """Where swap is not allowed the two limits are equal, and the kernel counts at the second.

    Never 0: newer kernels (seen on 6.18) say that even after they have killed.
    """
    return None if alone is None else alone + (with_swap or 0) or None


def _memory_two(of: cgroup.Folder) -> dict[str, float | None]:
    stat, events = of.table("memory.stat"), of.table("memory.events")
    usage = of.number("memory.current")
    return {
        "usage": usage,
        "working_set": _less(usage, stat.get("inactive_file")),
        "limit": of.limit("memory.max"),
        "peak": of.number("memory.peak"),
        "anon": stat.get("anon") if usage is not None else None,
        "file": stat.get("file") if usage is not None else None,
        "swap": of.number("memory.swap.current"),
        "limit_hits": events.get("max"),
        "oom_kills": events.get("oom_kill"),
    }


def pids(groups: cgroup.Groups) -> Items:
    """Return processes and threads, together, as the kernel limits them."""
    of = groups.one.get("pids", groups.two)
    if not of:
        return {}
    return {
        "container.pids.current": of.number("pids.current"),
        "container.pids.limit": of.limit("pids.max"),
        "container.pids.limit_hits": of.table("pids.events").get("max"),
    }


def io(groups: cgroup.Groups, root: Path) -> tuple[Items, list[messages.Block]]:
    """Return what was read from and written to block devices: of all together, and of each."""
    if "blkio" in groups.one:
        found = _io_one(groups.one["blkio"])
    else:
        found = _io_two(groups.two) if groups.two else None
    if found is None:
        return {}, []
    totals = {
        f"container.io.{field}": sum(device.get(field, 0) for device in found.values()) for field in _IO
    }
    named = {_device(number, root): fields for number, fields in found.items()}
    return dict(totals), list(table("device", _IO, named))


def _io_one(of: cgroup.Folder) -> Devices | None:
    """None without a device: newer kernels count here only once something is throttled, and say 0 till then."""
    found: Devices = {}
    for file, fields in _IO_ONE.items():
        for line in (of.text(file) or "").splitlines():
            words = line.split()
            if len(words) == 3 and words[1] in fields:  # noqa: PLR2004 - device, operation, number
                found.setdefault(words[0], {})[fields[words[1]]] = cgroup.whole(words[2]) or 0
    return found or None


def _io_two(of: cgroup.Folder) -> Devices | None:
    text = of.text("io.stat")
    if text is None:
        return None
    found: Devices = {}
    for line in text.splitlines():
        number, _, words = line.strip().partition(" ")
        pairs = dict(word.split("=", 1) for word in words.split() if "=" in word)
        fields = {name: cgroup.whole(pairs.get(key)) for key, name in _IO_TWO.items()}
        used = {name: value for name, value in fields.items() if value is not None}
        if used:  # a device may stand there without any number
            found[number] = used
    return found


def _device(number: str, root: Path) -> str:
    """Return the name of a device, `vda`; its number when the kernel does not tell here."""
    try:
        lines = (root / "sys/dev/block" / number / "uevent").read_text("ascii").splitlines()
    except (OSError, ValueError):
        return number
    return next((line[8:] for line in lines if line.startswith("DEVNAME=")), number)


def table(
    kind: str, fields: tuple[str, ...], rows: Mapping[str, Mapping[str, messages.Value | None]]
) -> Iterator[messages.Block]:
    """Yield one block of rows by name, or nothing."""
    if rows:
        values = tuple(row.get(field) for row in rows.values() for field in fields)
        yield messages.Block(kind=kind, fields=fields, names=tuple(rows), values=values)


def _times(value: int | None, unit: float) -> float | None:
    return None if value is None else value * unit


def _less(whole: int | None, part: int | None) -> int | None:
    return None if whole is None or part is None else max(0, whole - part)
