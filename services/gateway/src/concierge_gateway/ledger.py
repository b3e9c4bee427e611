"""What is known of each problem, folded from the triggers in the log: it is right again after a restart."""

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta

import msgspec

from concierge_gateway import rules, steps
from concierge_proto import bus, errors, messages, subjects

LOOKBACK = timedelta(days=7)
"""As long as the claims are kept: nothing older can come twice."""
_SIDE = frozenset({"test", "update", "canceled", "blind", "not_allowed", "unknown_service"})
"""Verdicts that say nothing about whether a problem is open."""


class Problem(msgspec.Struct):
    """One problem, as its triggers told it."""

    trigger: messages.Trigger
    """The last one that was received."""
    since: datetime
    """When the first one was received."""
    acted: bool = False
    closed: bool = False
    repaired: bool = False


class _Held:
    """Keeps a key in a set while the context is open; a class, for a generator costs five times as much."""

    def __init__(self, keys: set[str], key: str) -> None:
        self._keys = keys
        self._key = key

    def __enter__(self) -> None:
        self._keys.add(self._key)

    def __exit__(self, *_: object) -> None:
        self._keys.discard(self._key)


class Ledger:
    """Every problem of the last week, by `source/event id`."""

    def __init__(self) -> None:
        self.problems: dict[str, Problem] = {}
        self.read = asyncio.Event()
        """Set once the log has been read: before that, nothing can be judged."""
        self._arriving: set[str] = set()
        self._repairing: set[str] = set()
        self._until = datetime.now(UTC) - LOOKBACK

    def past(self, key: str) -> rules.Past:
        found = self.problems.get(key)
        if found is None:
            return rules.Past(repaired=key in self._repairing)
        return rules.Past(known=True, closed=found.closed, repaired=found.repaired)

    def knows(self, key: str) -> bool:
        """Return whether a trigger of it was stored, or is on its way in."""
        return key in self.problems or key in self._arriving

    def since(self, trigger: messages.Trigger) -> datetime:
        """Return when its problem was first heard of."""
        found = self.problems.get(trigger.problem)
        return found.since if found else trigger.received_at

    def note(self, trigger: messages.Trigger) -> None:
        """Take in a stored trigger; once or twice is the same."""
        if trigger.verdict in _SIDE and not self._ends(trigger):
            return
        found = self.problems.setdefault(trigger.problem, Problem(trigger, trigger.received_at))
        found.closed = found.closed or trigger.status == "resolved"
        found.acted = found.acted or trigger.verdict == "command"
        if trigger.received_at >= found.trigger.received_at:  # the log is read again behind our back
            found.repaired = trigger.step == steps.REPAIRED and trigger.verdict == "command"
            found.trigger = trigger

    def _ends(self, trigger: messages.Trigger) -> bool:
        """Return whether it is the end of a problem that was served, of a service that has gone since."""
        gone = trigger.verdict in {"unknown_service", "not_allowed"} and trigger.status == "resolved"
        return gone and trigger.problem in self.problems

    def open(self, source: str) -> list[Problem]:
        """Return the problems of a source that were acted upon and have not closed."""
        return [
            found
            for found in self.problems.values()
            if found.acted and not found.closed and found.trigger.source == source
        ]

    def arriving(self, key: str) -> "_Held":
        """Hold a problem that is being stored, so that nobody repairs it meanwhile."""
        return _Held(self._arriving, key)

    def repairing(self, key: str) -> "_Held":
        """Hold a problem that is being repaired, so that its late webhook is the same step."""
        return _Held(self._repairing, key)

    async def catch_up(self, link: bus.Bus) -> None:
        """Read what the log has got since the last time; raises Temporary."""
        subject = f"{subjects.ROOT}.event.*.trigger"
        async for delivery in link.history("EVENTS", subject, since=self._until):
            self._until = delivery.stored_at
            with contextlib.suppress(errors.Malformed):
                self.note(delivery.read(messages.Trigger))
        self._forget(datetime.now(UTC) - LOOKBACK)
        self.read.set()

    def _forget(self, before: datetime) -> None:
        old = [key for key, found in self.problems.items() if found.trigger.received_at < before]
        for key in old:
            del self.problems[key]
