"""Restarting, signalling, resizing, and proving it: the reads judge, as for a number.

restart: one instance after the other, each only when the one before is well again ──▶ converged
         │ one does not come back within `converge`                                ──▶ partial | timed_out
         │ one dies, and nobody starts it again                                    ──▶ partial
         └ the endpoint refuses                                                    ──▶ failed
"""

import asyncio
import logging
import time
from collections.abc import Iterator
from datetime import datetime

from concierge_proto import errors, identity, messages, settings
from concierge_scheduler import deeds
from concierge_scheduler.converge import Ended, LeaseLost, Place
from concierge_scheduler.state import Change
from concierge_scheduler.steady import Steadiness
from concierge_scheduler.targets import port

log = logging.getLogger(__name__)

_LOOK = 0.1
WHOLE = ("*",)
"""For `sized`: every new instance gets the size by itself."""


class _Trouble(Exception):
    """What stopped it, and what that is called."""

    def __init__(self, result: messages.Result, detail: str) -> None:
        super().__init__(detail)
        self.result = result


class Performance:
    """One errand, from the call to the proof."""

    def __init__(self, place: Place, service: str, policy: settings.Service, change: Change) -> None:
        self._place = place
        self._service = service
        self._policy = policy
        self._change = change
        self._reached: list[port.Instance] = []
        self._died = 0
        """So many lay there dead before it."""
        everyone = self._replaces and "instance" not in change.arguments
        self._leaving = set(change.ids if everyone else ())
        """Ids of those that others must replace."""

    async def run(self, *, resumed: bool) -> Ended:
        """Do it. `resumed`: an earlier holder began it."""
        began, started_at = time.monotonic(), self._change.started_at if resumed else self._place.now()
        result: messages.Result = "converged"
        detail = ""
        try:
            await self._all(resumed=resumed)
        except _Trouble as trouble:
            result, detail = trouble.result, str(trouble)
        except port.Told as told:
            result, detail = "dry_run", str(told)
        observed = await self._look()
        if result != "converged" and self._reached:
            result = "partial"
        outcome = self._outcome(result, detail, observed, started_at, time.monotonic() - began)
        return Ended(outcome, observed.wanted if observed else None, self._sized())

    async def _all(self, *, resumed: bool) -> None:
        observed = await self._look()
        if observed is None:
            raise _Trouble("failed", "the target could not be read, or the service is gone")
        self._died = observed.died
        if resumed and self._done(observed):
            await self._proven(observed.wanted)
            return
        if resumed and self._change.verb == "signal":
            raise _Trouble("failed", "the scheduler was stopped while it sent it, so it is not sent again")
        for group in self._groups(observed):
            self._leaving |= {one.id for one in group if self._replaces}
            await self._call(group, self._change.started_at if resumed else None)
            if self._change.verb != "signal":
                await self._proven(observed.wanted)
            self._reached += group

    @property
    def _replaces(self) -> bool:
        """Whether others come into the places of those that are restarted."""
        return self._change.verb == "restart" and self._place.target.whole

    def _done(self, observed: port.Observed) -> bool:
        """Tell whether the endpoint has what an earlier holder asked for: then only the proof is missing."""
        if self._replaces and "instance" in self._change.arguments:
            chosen = deeds.chosen(observed, self._change.arguments)
            return not {one.id for one in chosen} & set(self._change.ids)
        return observed.intent == self._change.id

    def _groups(self, observed: port.Observed) -> Iterator[tuple[port.Instance, ...]]:
        """Yield the instances in the portions in which they are acted on."""
        chosen = deeds.chosen(observed, self._change.arguments)
        if not chosen:
            raise _Trouble("failed", "no such instance runs any more")
        if self._change.verb == "restart" and not self._place.target.whole:
            yield from ((one,) for one in chosen)
        else:
            yield chosen

    async def _call(self, group: tuple[port.Instance, ...], since: datetime | None) -> None:
        if not self._place.lease.held:
            raise LeaseLost(f"{self._service}: the lease was lost before {self._change.verb}")
        deed = deeds.deed(self._change, group, since)
        try:
            async with asyncio.timeout(self._policy.converge):
                await self._place.target.act(self._service, deed)
        except errors.ConciergeError as error:
            raise _Trouble("failed", str(error)) from error
        except TimeoutError:
            raise _Trouble("timed_out", f"no answer within {self._policy.converge:g} s") from None

    async def _proven(self, count: int) -> None:
        """Return when all run well and have done so for `settle`."""
        deadline, steadiness = time.monotonic() + self._policy.converge, Steadiness()
        while True:
            asked, observed = time.monotonic(), await self._look()
            now = time.monotonic()
            good = observed is not None and self._good(observed, count)
            steadiness.note(observed if good else None, asked, now)
            if steadiness.since is not None and now - steadiness.since >= self._policy.settle:
                return
            if observed and observed.died > self._died:
                raise _Trouble("partial", self._death(observed, count))
            if now >= deadline:
                raise _Trouble("timed_out", _shortfall(observed, count))
            await asyncio.sleep(_LOOK)

    def _good(self, observed: port.Observed, count: int) -> bool:
        if {one.id for one in observed.instances} & self._leaving:
            return False
        return not observed.changing and observed.settled == observed.present == observed.wanted >= count

    def _death(self, observed: port.Observed, count: int) -> str:
        missing = sorted({*self._change.names} - {one.name for one in observed.instances})
        return f"{', '.join(missing) or 'one'} died, and Docker does not start it again; {_shortfall(observed, count)}"

    async def _look(self) -> port.Observed | None:
        try:
            return (await self._place.survey.read()).get(self._service)
        except errors.ConciergeError:
            return None

    def _sized(self) -> tuple[str, ...]:
        if self._change.verb != "resize":
            return ()
        return WHOLE if self._place.target.whole else tuple(one.id for one in self._reached)

    def _outcome(
        self,
        result: messages.Result,
        trouble: str,
        observed: port.Observed | None,
        started_at: datetime,
        seconds: float,
    ) -> messages.Outcome:
        change = self._change
        names = ", ".join(one.name for one in self._reached)
        return messages.Outcome(
            id=identity.derive("outcome", change.id),
            service=self._service,
            target=self._policy.target,
            result=result,
            before=change.before,
            wanted=change.wanted,
            after=observed.settled if observed else change.before,
            duration_ms=round(seconds * 1000),
            command_id=change.command_id,
            correlation_id=change.correlation_id,
            started_at=started_at,
            at=self._place.now(),
            detail="; ".join(filter(None, (names, trouble))),
            lease=self._place.lease.revision,
            verb=change.verb,
        )


def _shortfall(observed: port.Observed | None, count: int) -> str:
    if observed is None:
        return "the target could not be read"
    ill = [f"{one.name}: {one.detail}" for one in observed.instances if not (one.running and one.healthy)]
    return "; ".join([f"{observed.settled} of {count} run well", *ill[:3]])
