"""The list of figures. One is measured by `measure()` in the module of its name, beside this one."""

import importlib
import importlib.util
from typing import NamedTuple


class Figure(NamedTuple):
    """What must be reached, and against what."""

    name: str
    what: str
    reach: str
    against: str

    @property
    def built(self) -> bool:
        return importlib.util.find_spec(f"benchmarks.{self.name}") is not None

    def measure(self) -> int:
        """Print what was measured; return 0 if that reaches it, else 1."""
        code: int = importlib.import_module(f"benchmarks.{self.name}").measure()
        return code


ALL = (
    Figure(
        "courier_lab",
        "courier: 34,000 metrics out of 128 MB and a fifth of a core",
        "CPU ≤ 0.25 ×, wall ≤ 1 ×",
        "a script, a file and zabbix_sender in the same lab",
    ),
    Figure(
        "courier_outage",
        "courier: ten minutes without NATS at 34,000 metrics a second",
        "≤ 44 MB, fresh ≤ 5 s, 0 uncounted",
        "itself on a good day",
    ),
    Figure(
        "zabbix",
        "34,000 values into Zabbix; value → Docker's child → container",
        "≥ 0.9 ×, p99 ≤ 300 ms, ≤ 1.4 ×",
        "a raw socket with ready-made packets; Zabbix's own remote command",
    ),
    Figure(
        "control",
        "webhook → 202; command → Docker's child; 1,000 services",
        "≥ 0.6 ×, p99 ≤ 10, 80 ms; ≤ 150 MB",
        "a bare FastAPI handler that publishes",
    ),
    Figure("lose", "steps and values lost or doubled under kill -9", "0", "every part, at any moment"),
)
