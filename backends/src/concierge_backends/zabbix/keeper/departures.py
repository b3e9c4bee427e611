"""Instances that stopped: their hosts are retired when all that they said has arrived."""

import dataclasses
import logging
from collections.abc import Container

from concierge_backends.zabbix import hosts
from concierge_backends.zabbix.keeper import retire, session
from concierge_proto import settings

GRACE = 10.0
"""Seconds from a stop to the end of its host: the application may be started again, and what looks at
problems only now and then (6.0: every 3 s) must still meet this one."""
PATIENCE = 120.0
"""Seconds that values which wait for their items put it off."""

_log = logging.getLogger(__name__)


@dataclasses.dataclass
class _Leaving:
    host: hosts.Host
    end: retire.End
    since: float


class Departures:
    """By the names of their hosts. Times are of a monotonic clock."""

    def __init__(self, config: settings.Settings, door: session.Session) -> None:
        self._config = config
        self._session = door
        self._leaving: dict[str, _Leaving] = {}

    def add(self, host: hosts.Host, end: retire.End, now: float) -> None:
        """Let it go, unless it is going already; a later life has another end."""
        known = self._leaving.get(host.name)
        if known is None or known.end.boot != end.boot:
            self._leaving[host.name] = _Leaving(host, end, now)

    def cancel(self, name: str, but: str = "") -> bool:
        """Let it stay, unless it was the life `but` that stopped; return whether it was going."""
        known = self._leaving.get(name)
        if known is None or (but and known.end.boot == but):
            return False
        del self._leaving[name]
        return True

    async def settle(self, now: float, coming: Container[str]) -> list[tuple[hosts.Host, retire.End | None]]:
        """Retire some whose time has come; return them, with None for one that came back meanwhile.

        `coming`: hosts that are not there yet. Raises Temporary, Permanent: they are retired later.
        """
        due = [one for one in self._leaving.values() if one.host.name not in coming and _over(one, now)]
        if not due:
            return []
        due = due[: retire.AT_ONCE]
        ends = [one.end for one in due]
        done = await self._session.call(lambda door: retire.retire(door, self._config, ends))
        if done:
            _log.info("hosts retired: %s", ", ".join(done))
        return [(one.host, one.end if self._leave(one) else None) for one in due]

    def _leave(self, one: _Leaving) -> bool:
        if self._leaving.get(one.host.name) is not one:
            return False
        del self._leaving[one.host.name]
        return True


def _over(one: _Leaving, now: float) -> bool:
    gone = now - one.since
    return gone >= GRACE and (gone > PATIENCE or not one.host.account.waiting)
