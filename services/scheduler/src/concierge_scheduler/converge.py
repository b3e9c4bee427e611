"""Making a number true and proving it: the read judges, not the exit code.

        lease held?         error, and the read shows no effect
stored ──────────▶ call ──────────────────────────────▶ again, while the command lives ──▶ failed
                    │ returned, or the read shows the number
                    ▼ a dry target only tells ──▶ dry_run
                  poll ──right count, healthy, heard, for `settle`──▶ converged
                  ▲ └──`converge` is over──▶ partial | timed_out
                  └─── call again, when the count stands still and is wrong
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

import msgspec

from concierge_proto import bus, errors, identity, messages, settings
from concierge_scheduler.bounds import View
from concierge_scheduler.presence import Presence
from concierge_scheduler.state import Change
from concierge_scheduler.steady import Steadiness
from concierge_scheduler.stillness import Stillness
from concierge_scheduler.survey import Sight, Survey
from concierge_scheduler.targets import port

log = logging.getLogger(__name__)

_FIRST_LOOK, _SLOWEST_LOOK = 0.05, 1.0
_MOST_BACKOFF = 15.0


class LeaseLost(errors.Temporary):
    """Somebody else acts on this target now."""


class Place(NamedTuple):
    """A target and what is needed to act on it."""

    target: port.Target
    survey: Survey
    presence: Presence
    lease: bus.Lease
    now: Callable[[], datetime]

    def view(self, service: str, policy: settings.Service, sight: Sight) -> View:
        """Return what a listing and the heartbeats say of a service."""
        observed = sight.get(service)
        if observed is None:
            return View(observed=None)
        heard, silent = (
            self.presence.count(observed, policy.fresh),
            self.presence.silent(observed, policy.fresh),
        )
        return View(observed=observed, heard=heard, silent=silent)


class Ended(NamedTuple):
    """What came of a change."""

    outcome: messages.Outcome
    strives_for: int | None
    """The count that the endpoint itself wants now; None: it could not be read."""
    sized: tuple[str, ...] = ()
    """Ids of the instances that a resize has reached."""
    lasting: float = 0
    """Seconds for which a call whose end nobody saw may still be at work."""


class _Found(NamedTuple):
    """What polling ended with."""

    view: View | None
    """None: it could not be read at all."""
    good_at: float | None = None
    """Monotonic seconds of the first look at what then held; None: it did not."""

    @property
    def observed(self) -> port.Observed | None:
        return self.view.observed if self.view else None


class Convergence:
    """One change of one service, from the call to the proof."""

    def __init__(self, place: Place, service: str, policy: settings.Service, change: Change) -> None:
        self._place = place
        self._service = service
        self._policy = policy
        self._change = change
        self._unseen = False
        """A call of it was made whose end was not awaited."""

    async def run(self, *, resumed: bool) -> Ended:
        """Make it so. `resumed`: an earlier holder began it, so look first whether it has been done."""
        try:
            return await self._make(resumed=resumed)
        except port.Told as told:
            found = await self._look()
            outcome = self._outcome(found, str(told), self._place.now(), 0)
            return Ended(msgspec.structs.replace(outcome, result="dry_run"), self._change.before)

    async def _make(self, *, resumed: bool) -> Ended:
        began, self._unseen = time.monotonic(), resumed
        started_at = self._change.started_at if resumed else self._place.now()
        trouble = "" if resumed and await self._done() else await self._call()
        found = await self._look() if trouble else await self._poll()
        seconds = (found.good_at or time.monotonic()) - began
        if resumed:
            seconds += max(0.0, (self._place.now() - started_at).total_seconds() - (time.monotonic() - began))
        return Ended(
            self._outcome(found, trouble, started_at, seconds),
            found.observed.wanted if found.observed else None,
            lasting=self._place.target.lasting if self._unseen else 0,
        )

    async def _call(self) -> str:
        """Call Docker until the call or its effect is there; return "" or the last trouble."""
        pause = 0.0
        while True:
            trouble, delay = await self._call_once(self._policy.converge)
            if not trouble:
                return ""
            log.warning("%s → %d: %s", self._service, self._change.wanted, trouble)
            if await self._done():
                return ""
            pause = max(delay, 2 * pause)
            if pause >= (self._change.expires_at - self._place.now()).total_seconds():
                return trouble
            pause = min(pause, _MOST_BACKOFF)
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - spreads retries, guards nothing

    async def _call_once(self, within: float) -> tuple[str, float]:
        """Return the trouble, "" for none, and how long to leave it alone; `within` so many seconds."""
        if not self._place.lease.held:
            raise LeaseLost(f"{self._service}: the lease was lost before {self._change.wanted} could be set")
        try:
            async with asyncio.timeout(within):
                await self._place.target.scale(self._service, self._change.wanted, self._change.id)
        except errors.Temporary as error:
            return str(error), error.delay
        except errors.Permanent as error:
            return str(error), float("inf")
        except TimeoutError:
            self._unseen = True
            return f"no answer within {within:g} s", 1.0
        return "", 0.0

    async def _done(self) -> bool:
        """Return True when the endpoint strives for our number, or did, whatever the call said."""
        observed = (await self._look()).observed
        return observed is not None and (
            observed.wanted == self._change.wanted or observed.intent == self._change.id
        )

    async def _look(self) -> _Found:
        try:
            sight = await self._place.survey.read()
        except errors.ConciergeError:
            return _Found(None)
        return _Found(self._place.view(self._service, self._policy, sight))

    async def _poll(self) -> _Found:
        deadline, pause = time.monotonic() + self._policy.converge, _FIRST_LOOK
        stillness, steadiness = Stillness(self._change), Steadiness()
        while True:
            asked, found = time.monotonic(), await self._look()
            now = time.monotonic()
            steadiness.note(found.observed if self._good(found) else None, asked, now)
            good_at = steadiness.since
            if good_at is not None and now - good_at >= self._policy.settle:
                return _Found(found.view, good_at)
            if now >= deadline:
                return found
            if stillness.due(found.observed, now) and self._alive:
                await self._call_again(deadline - now)
                pause = _FIRST_LOOK
                continue
            left = deadline if good_at is None else good_at + self._policy.settle
            await asyncio.sleep(max(0.001, min(pause, left - now)))
            pause = min(1.5 * pause, _SLOWEST_LOOK)

    @property
    def _alive(self) -> bool:
        return self._place.now() < self._change.expires_at

    async def _call_again(self, within: float) -> None:
        """Call once more what a race or a killed client has left half done; the readings go on judging."""
        log.warning("%s → %d: stands still, calling again", self._service, self._change.wanted)
        trouble, _ = await self._call_once(within)
        if trouble:
            log.warning("%s → %d: %s", self._service, self._change.wanted, trouble)

    def _good(self, found: _Found) -> bool:
        observed, wanted = found.observed, self._change.wanted
        if found.view is None or observed is None or observed.changing:
            return False
        running = sum(1 for one in observed.instances if one.running)
        heard = found.view.heard >= wanted or not self._policy.heard
        return observed.wanted == observed.settled == running == wanted and heard

    def _outcome(self, found: _Found, trouble: str, started_at: datetime, seconds: float) -> messages.Outcome:
        change, observed = self._change, found.observed
        before = set(change.names)
        names = {one.name for one in observed.instances} if observed else before
        after = observed.settled if observed else change.before
        return messages.Outcome(
            id=identity.derive("outcome", change.id),
            service=self._service,
            target=self._policy.target,
            result=_result(change, found, after, trouble),
            before=change.before,
            wanted=change.wanted,
            after=after,
            duration_ms=round(seconds * 1000),
            command_id=change.command_id,
            correlation_id=change.correlation_id,
            started_at=started_at,
            at=self._place.now(),
            detail=trouble or ("" if found.good_at else self._shortfall(found)),
            added=tuple(sorted(names - before)),
            removed=tuple(sorted(before - names)),
            lease=self._place.lease.revision,
        )

    def _shortfall(self, found: _Found) -> str:
        """Say what is missing, for people."""
        if found.view is None or found.observed is None:
            return "the target could not be read, or the service is gone"
        heard = f", {found.view.heard} heard{found.view.unheard}" if self._policy.heard else ""
        instances = found.observed.instances
        ill = [f"{one.name}: {one.detail}" for one in instances if not (one.running and one.healthy)]
        return "; ".join([f"{found.observed.settled} of {self._change.wanted} run well{heard}", *ill[:3]])


def _result(change: Change, found: _Found, after: int, trouble: str) -> messages.Result:
    if found.good_at is not None:
        return "converged"
    if trouble:
        return "failed"
    between = min(change.before, change.wanted) < after < max(change.before, change.wanted)
    return "partial" if between else "timed_out"
