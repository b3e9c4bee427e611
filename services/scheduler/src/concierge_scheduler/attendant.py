"""Looks after one service: takes commands in at any time, decides and acts one turn after the other.

┌──▶ asleep ──command · gate's time · watch · instance stopped──▶ turn
│                                                                  │ look, decide, store, tell
├── nothing · wait until · refuse ◀────────────────────────────────┤
│                                                                  │ act: number stored
│                                                                  ▼
└── told, cooldown begins ◀── converged · partial · timed_out · failed ◀── converge
                                                                   ▲
start with a change that somebody left running ────────────────────┘
"""

import asyncio
import logging

from concierge_proto import errors, messages, settings
from concierge_scheduler import controls, converge, metrics, perform, turn
from concierge_scheduler.bounds import View
from concierge_scheduler.ledger import Ledger
from concierge_scheduler.state import Change, State
from concierge_scheduler.targets import registry

log = logging.getLogger(__name__)

_CLOSELY = 1.0
"""Seconds between two looks while an earlier call may still be at work."""
_AGAIN = 2.0
"""Seconds until what could not be stored or told is tried again."""
_UNEXPECTED = 10.0


class Attendant:
    """One service on one target, for as long as the lease is held."""

    def __init__(self, place: converge.Place, policy: settings.Service, ledger: Ledger) -> None:
        self._place = place
        self._policy = policy
        self._ledger = ledger
        self._wake = asyncio.Event()
        self._asleep = False
        self._ahead: asyncio.Task[None] | None = None
        """A reading that was begun while a command was being stored."""
        self.leaving = False
        """It takes nothing more in, and ends once a running change is finished."""

    @property
    def called(self) -> str:
        """What the endpoint calls the service."""
        return self._policy.name or self._ledger.service

    def follow(self, policy: settings.Service) -> None:
        """Go on, from the next turn on with this policy."""
        self.leaving = False
        if policy != self._policy:
            self._policy = policy
            self.wake()

    def leave(self) -> None:
        """Finish, and refuse what waits: the service's labels are gone."""
        self.leaving = True
        self.wake()

    def wake(self) -> None:
        """Ask for a turn soon."""
        self._wake.set()

    async def take(self, command: messages.Command) -> None:
        """Store what a command means; raises Temporary when it must come again."""
        now = self._place.now()
        metrics.COMMANDS.labels(self._policy.target, command.verb).inc()
        if self._asleep and command.id not in self._ledger.state.applied:
            self._ahead = asyncio.create_task(self._read())
        state = await self._ledger.change(lambda known: turn.take(self._policy, known, command, now))
        if state.running:
            await self._step(self._view_at_hand())  # a turn is being taken: say at least that it waits
        if state.unsaid:
            await self._ledger.publish()
        self.wake()

    async def preflight(self) -> None:
        """Find out what would stop the service from having `max` instances, and say so while nobody needs them."""
        service = self._ledger.service
        try:
            found = await self._place.target.why_not(service, self._policy.max)
        except errors.Permanent as error:
            found = str(error)
        if found:
            log.warning("%s can't have %d instances: %s", service, self._policy.max, found)
        now = self._place.now()
        await self._ledger.change(lambda known: controls.foresee(known, found, now))
        await self._ledger.publish()

    async def run(self) -> None:
        """Take turns until cancelled, or told to leave."""
        await self._begin()
        while not self.leaving:
            self._wake.clear()
            pause = await self._guarded()
            await self._sleep(pause)
        await self._dismiss()

    async def _sleep(self, pause: float | None) -> None:
        self._asleep = True
        try:
            async with asyncio.timeout(pause):
                await self._wake.wait()
        except TimeoutError:
            pass
        finally:
            self._asleep = False

    async def _dismiss(self) -> None:
        now = self._place.now()
        try:
            await self._ledger.change(lambda known: turn.dismiss(self._policy, known, now))
            await self._ledger.publish()
        except errors.ConciergeError as error:
            log.info("%s: what waited expires instead: %s", self._ledger.service, error)

    async def _begin(self) -> None:
        """Finish what an earlier holder left half done."""
        now = self._place.now()
        await self._ledger.change(lambda known: turn.mend(known, now))
        if self._ledger.state.running:
            await self._converge(self._ledger.state.running, resumed=True)

    async def _guarded(self) -> float | None:
        """Take one turn whatever happens; return the seconds until the next, None: until woken."""
        try:
            return await self._turn()
        except errors.ConciergeError as error:
            log.warning("%s: %s", self._ledger.service, error)
            return _AGAIN
        except Exception:
            log.exception("%s: unexpected; trying again in %g s", self._ledger.service, _UNEXPECTED)
            return _UNEXPECTED

    async def _turn(self) -> float | None:
        if self._ledger.state.running:  # stored, and then something went wrong
            await self._converge(self._ledger.state.running, resumed=True)
        state = await self._step(await self._look())
        if state.running:
            await self._act(state.running)
            return 0.0
        await self._ledger.publish()
        due = turn.wake(state)
        pauses = [max(0.0, (due - self._place.now()).total_seconds())] if due else []
        pauses += [_AGAIN] if self._ledger.state.unsaid else []
        pauses += [_CLOSELY] if state.late else []
        return min(pauses, default=None)

    async def _act(self, change: Change) -> None:
        """Tell the decision while Docker is called: it is stored already, so nobody need wait for the log."""
        telling = asyncio.create_task(self._ledger.publish())
        try:
            await self._converge(change, resumed=False)
        finally:
            await telling

    async def _look(self) -> View | None:
        """Read the target for a command, or for a call that may come late; else the watch's last listing will do."""
        known = self._ledger.state
        ahead, self._ahead = self._ahead, None
        if not (known.wishes or known.errands or known.late) and self._place.survey.last is not None:
            return self._view_at_hand()
        if ahead and not ahead.done():  # else it may show what was true before others acted
            await ahead
        else:
            await self._read()
        return self._view_at_hand()

    async def _read(self) -> None:
        try:
            await self._place.survey.read()
        except errors.ConciergeError as error:
            log.info("%s: %s", self._ledger.service, error)

    def _view_at_hand(self) -> View | None:
        sight = self._place.survey.last
        return None if sight is None else self._place.view(self._ledger.service, self._policy, sight)

    async def _step(self, view: View | None) -> State:
        now, lease = self._place.now(), self._place.lease.revision
        state = await self._ledger.change(
            lambda known: turn.step(self._policy, known, view, now, lease),
        )
        metrics.WAITING.labels(self._ledger.service).set(len(state.wishes) + len(state.errands))
        if state.count is not None:
            metrics.INSTANCES.labels(self._ledger.service).set(state.count)
        return state

    async def _converge(self, change: Change, *, resumed: bool) -> None:
        service = self._ledger.service
        make = perform.Performance if change.verb else converge.Convergence
        place = self._place._replace(target=registry.serving(self._place.target, self._policy))
        ended = await make(place, service, self._policy, change).run(resumed=resumed)
        log.info("%s: %s %s", service, change.words, ended.outcome.result)
        await self._ledger.change(
            lambda known: turn.finish(known, ended.outcome, ended.strives_for, ended.sized, ended.lasting)
        )
        await self._ledger.publish()
