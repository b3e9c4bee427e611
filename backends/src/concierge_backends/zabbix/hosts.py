"""What is known of each instance's host: whether it was announced to Zabbix, and since when it is young."""

import asyncio
import dataclasses
from collections import OrderedDict

from concierge_backends.zabbix import accounts, doubts

YOUNG = 90.0
"""Seconds after a registration or a discovery in which missing items may still come."""
FIRST_PAUSE, LONGEST_PAUSE = 3.0, 600.0
"""Seconds between two registrations of a host that takes nothing."""
MOST = 20_000
"""Hosts remembered; the ones longest silent are forgotten, and announced anew when they speak."""


@dataclasses.dataclass(eq=False)
class Host:
    """One instance, as this process has seen it. Times are of a monotonic clock."""

    name: str
    service: str
    boot: str = ""
    courier: str = ""
    """Its version."""
    image: str = ""
    tries: int = 0
    """Registrations so far."""
    asked: float = 0.0
    young_until: float = 0.0
    took: bool = False
    """Whether it took a value in this life."""
    lock: asyncio.Lock = dataclasses.field(default_factory=asyncio.Lock)
    """Held while values are sent: those of a host go in the order of their time."""
    account: accounts.Account = dataclasses.field(default_factory=accounts.Account)
    """What became of its values."""
    rules: doubts.Doubts = dataclasses.field(default_factory=doubts.Doubts)
    """What was told of its names, and perhaps not understood."""

    def begin(self, boot: str, now: float) -> None:
        """It lives anew: it is announced, and what it lacked may be there."""
        self.boot, self.tries, self.took = boot, 0, False
        self.account.renew(now)

    def due(self, now: float) -> bool:
        """Whether a host that took nothing is announced again: at once, then ever more seldom."""
        if not self.tries:
            return True
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * float(2 ** min(self.tries - 1, 16)))
        return now - self.asked >= pause

    def announced(self, now: float) -> None:
        self.tries += 1
        self.asked = now
        self.grow(now)

    def grow(self, now: float) -> None:
        """Its items are being made from now on."""
        self.young_until = now + YOUNG

    def accepted(self) -> None:
        """It took a value: should it vanish, it is announced at once."""
        self.tries, self.took = min(self.tries, 1), True


class Hosts:
    """All of them, bounded."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._found: OrderedDict[str, Host] = OrderedDict()

    def get(self, name: str, service: str) -> Host:
        """Return the host, new when it was never seen."""
        host = self._found.setdefault(name, Host(name, service))
        self._found.move_to_end(name)
        if len(self._found) > self._most:
            self._found.popitem(last=False)
        return host

    def forget(self, host: Host) -> None:
        """It has ended; should it speak again, it is new."""
        if self._found.get(host.name) is host:
            del self._found[host.name]
