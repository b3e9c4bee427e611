"""The level behind the edges: what is open at the source now, against what the webhooks told."""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from concierge_backends import port
from concierge_gateway import ledger, metrics, rules, steps, webhooks
from concierge_proto import bus, errors, messages, settings

log = logging.getLogger(__name__)

PERIOD = 60.0
"""Seconds between two looks; shorter where a rule's `repeat_every` is."""
ABSENCE = {"alertmanager": timedelta(seconds=150)}
"""How long a problem must be missing from the list before it is over: an Alertmanager that has started knows nothing
until Prometheus has told it again, each `resend-delay` (1 min) and evaluation."""
_PATIENCE = 20.0
"""Seconds for a monitoring system's list."""


class Repair:
    """Opens what was never told, closes what is gone, and steps where the sender has no steps."""

    def __init__(
        self,
        config: settings.Settings,
        link: bus.Bus,
        book: ledger.Ledger,
        receiver: webhooks.Webhooks,
        problems: Mapping[str, port.Problems],
    ) -> None:
        self._config = config
        self._link = link
        self._book = book
        self._receiver = receiver
        self._problems = problems
        self._missing: dict[str, dict[str, datetime]] = {}
        """By source: open problems that it does not list any more, and since when."""
        self._full: set[str] = set()
        """Services that took no more in this look: they must not keep it from the others."""

    async def run(self) -> None:
        """Look for ever; the log first, since nothing can be judged before it is read."""
        while True:
            pause = period(self._config)
            try:
                await self._book.catch_up(self._link)
                await self.look(datetime.now(UTC))
            except errors.ConciergeError as error:
                log.warning("repair: %s; next look in %.0f s", error, pause)
            await asyncio.sleep(pause if self._book.read.is_set() else 1.0)

    async def look(self, now: datetime) -> None:
        """Look once at every source."""
        self._full.clear()
        for source in self._config.gateway.sources:
            if source not in self._problems:
                await self._step(source, now, None)
                continue
            listed = await self._ask(source)
            if listed is not None:
                await self._open(source, listed, now)
                await self._close(source, {trigger.problem for trigger in listed}, now)
                await self._step(source, now, {trigger.problem for trigger in listed if not trigger.verdict})

    async def _ask(self, source: str) -> list[messages.Trigger] | None:
        """Return what is open at the source; None when it can't be asked: that is not the same as nothing."""
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._problems[source].problems(source)
        except (errors.ConciergeError, TimeoutError) as error:
            log.warning("%s: its open problems are unknown: %s", source, str(error) or "no answer")
        except Exception:  # an answer that nobody can read must not end the gateway
            log.exception("%s: its open problems are unknown", source)
        metrics.REPAIRS.labels(source, "failed").inc()
        return None

    async def _open(self, source: str, listed: list[messages.Trigger], now: datetime) -> None:
        kind = self._config.gateway.sources[source].kind
        for trigger in listed:
            young = trigger.started_at is not None and now - trigger.started_at < steps.GRACE
            if young or self._book.knows(trigger.problem):
                continue
            lost = steps.repaired(self._receiver.placed(trigger), kind)
            with self._hold(lost):
                await self._accept(lost, "opened", rules.Past())

    def _hold(self, lost: messages.Trigger) -> contextlib.AbstractContextManager[None]:
        """Where its webhook would have another id, keep that one from acting meanwhile."""
        if lost.step == steps.REPAIRED:
            return self._book.repairing(lost.problem)
        return contextlib.nullcontext()

    async def _close(self, source: str, open_there: set[str], now: datetime) -> None:
        kind, before = self._config.gateway.sources[source].kind, self._missing.get(source, {})
        gone = [found.trigger for found in self._book.open(source) if found.trigger.problem not in open_there]
        missing = self._missing[source] = {last.problem: before.get(last.problem, now) for last in gone}
        for last in gone:
            absent = now - missing[last.problem] >= ABSENCE.get(kind, timedelta(0))
            if absent and now - last.received_at >= steps.GRACE:
                await self._accept(steps.resolved(last, now), "closed")

    async def _step(self, source: str, now: datetime, active: set[str] | None) -> None:
        """Take the steps that are due, of those in `active`; None: of all."""
        kind = self._config.gateway.sources[source].kind
        for problem in self._book.open(source):
            last = problem.trigger
            if steps.own(last, kind) or not (active is None or last.problem in active):
                continue
            every = rules.repeat_every(last, self._config.services.get(last.service))
            following = steps.following(last, every, problem.since, now)
            if following:
                await self._accept(following, "ticked")

    async def _accept(self, trigger: messages.Trigger, what: str, past: rules.Past | None = None) -> None:
        if trigger.service in self._full:
            return
        try:
            verdict = await self._receiver.accept(trigger, past)
        except errors.ConciergeError as error:
            if not self._link.connected:
                raise
            if isinstance(error, errors.Temporary):
                self._full.add(trigger.service)
            metrics.REPAIRS.labels(trigger.source, "failed").inc()
            log.warning("%s: not %s: %s", trigger.problem, what, error)
            return
        metrics.REPAIRS.labels(trigger.source, what).inc()
        log.info("%s: %s here: %s: %s", trigger.problem, what, verdict.decision, verdict.reason)


def period(config: settings.Settings) -> float:
    """Return the seconds between two looks."""
    services = config.services.values()
    every = [float(rule.repeat_every) for service in services for rule in service.rules]
    every += [float(trigger.repeat_every) for service in services for trigger in service.triggers]
    return max(1.0, min([PERIOD, *filter(None, every)]))
