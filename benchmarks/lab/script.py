"""The 2017 method: read the metrics' file, write a sender file, run zabbix_sender. Runs in a container, alone.

`python3 script.py METRICS HOST SERVER PORT SENDER…`
"""

import json
import re
import resource
import subprocess
import sys
import time

_PROCESSED = re.compile(r"processed: (\d+);")
_FILE = "/tmp/values"  # noqa: S108 - in a container of its own


def deliver(metrics: str, host: str, server: str, port: str, sender: list[str]) -> dict[str, float]:
    """Return what it took. Wall seconds from the start of the read to the end of zabbix_sender."""
    began = time.monotonic()
    with open(metrics, encoding="utf-8") as file:  # noqa: PTH123 - pathlib costs the rival 3 ms
        found = json.load(file)
    seconds, nanos = divmod(time.time_ns(), 10**9)
    lines = [
        f"{host} {kind[:-1]}[{name},{field}] {seconds} {nanos} {value}\n"
        for kind in ("gauges", "counters", "histograms", "meters", "timers")
        for name, fields in found[kind].items()
        for field, value in fields.items()
        if not isinstance(value, str)
    ]
    with open(_FILE, "w", encoding="utf-8") as file:  # noqa: PTH123 - see above
        file.writelines(lines)
    command = [*sender, "-z", server, "-p", port, "-i", _FILE, "-T", "-N"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    wall = time.monotonic() - began
    counts = _PROCESSED.findall(ended.stdout)
    return {
        "wall": wall,
        "values": len(lines),
        "processed": int(counts[-1]) if counts else 0,
        "peak": _peak(),
    }


def _peak() -> float:
    """Return MB of the larger of the two processes."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(kind).ru_maxrss for kind in kinds) / 1024


if __name__ == "__main__":
    _, its_metrics, its_host, its_server, its_port, *its_sender = sys.argv
    print(json.dumps(deliver(its_metrics, its_host, its_server, its_port, its_sender)))
