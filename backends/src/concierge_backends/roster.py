"""Who was heard, when, and what was said last. Pure: times are monotonic seconds, handed in."""

from dataclasses import dataclass

from concierge_proto import messages

_FORGET = 600.0
"""Seconds after which one that stopped is forgotten."""


@dataclass
class Entry:
    """One instance."""

    service: str
    instance: str
    boot: str
    heard: float
    said_ns: int
    """The latest time that it wrote on anything, by its own clock."""
    heartbeat: messages.Heartbeat | None = None
    """The last one of this boot."""

    @property
    def key(self) -> str:
        return f"{self.service}/{self.instance}"

    def clock_ns(self, now: float) -> int:
        """Return what its own clock shows at `now`: a word about it must sort among its own."""
        return self.said_ns + int((now - self.heard) * 1e9)

    @property
    def stopped(self) -> bool:
        return self.heartbeat is not None and self.heartbeat.state == 0


class Roster:
    """Every instance that is, or was a short while ago."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}

    def heartbeat(self, heartbeat: messages.Heartbeat, now: float) -> bool:
        """Take it in; False when a later one was known already."""
        entry = self._entry(heartbeat.service, heartbeat.instance)
        known = entry.heartbeat if entry else None
        if known and known.boot and known.time_ns > heartbeat.time_ns:
            return False  # what was said about one that was never heard itself is no later word of its own
        said_ns = max(heartbeat.time_ns, entry.said_ns) if entry else heartbeat.time_ns
        self._put(Entry(heartbeat.service, heartbeat.instance, heartbeat.boot, now, said_ns, heartbeat))
        return True

    def snapshot(self, snapshot: messages.Snapshot, now: float) -> None:
        """Take it as a sign of life, unless it is from before its stop."""
        entry = self._entry(snapshot.service, snapshot.instance)
        if entry is None or (entry.stopped and snapshot.time_ns > entry.said_ns):
            self._put(Entry(snapshot.service, snapshot.instance, snapshot.boot, now, snapshot.time_ns))
        elif not entry.stopped:
            entry.heard, entry.said_ns = now, max(entry.said_ns, snapshot.time_ns)

    def expect(self, service: str, instance: str, now: float, now_ns: int) -> None:
        """Take in one that was not heard yet, as if it had been just now."""
        if self._entry(service, instance) is None:
            self._put(Entry(service, instance, "", now, now_ns))

    def silent(self, now: float, listening_since: float, fresh: float, service: str) -> list[Entry]:
        """Return who of a service said nothing for `fresh` seconds although it could have been heard."""
        return [
            entry
            for entry in self._entries.values()
            if entry.service == service
            and not entry.stopped
            and now - max(entry.heard, listening_since) > fresh
        ]

    def services(self) -> set[str]:
        return {entry.service for entry in self._entries.values()}

    def heartbeats(self) -> list[messages.Heartbeat]:
        """Return the last heartbeat of each."""
        return [entry.heartbeat for entry in self._entries.values() if entry.heartbeat]

    def forget(self, now: float) -> None:
        """Drop those that stopped long ago."""
        for key, entry in list(self._entries.items()):
            if entry.stopped and now - entry.heard > _FORGET:
                del self._entries[key]

    def _entry(self, service: str, instance: str) -> Entry | None:
        return self._entries.get(f"{service}/{instance}")

    def _put(self, entry: Entry) -> None:
        self._entries[entry.key] = entry
