"""How long a server takes until it accepts values for items that are new to it. Pure."""

from concierge_backends.zabbix import counts

UNKNOWN = 180.0
"""Seconds to wait before anything was measured: 6.0 as shipped reads its configuration once a minute."""
LEAST, MOST = 60.0, 900.0


class Delay:
    """The longest that was seen, forgotten slowly."""

    def __init__(self) -> None:
        self.measured = 0.0
        """Seconds; 0: not yet."""

    def note(self, seconds: float) -> None:
        """New items took this long."""
        self.measured = max(seconds, self.measured * 0.9)
        counts.DELAY.set(self.measured)

    def patience(self) -> float:
        """Return the seconds that values wait for their items: well beyond what was measured."""
        return min(MOST, max(LEAST, 3 * self.measured)) if self.measured else UNKNOWN
