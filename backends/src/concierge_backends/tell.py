"""From the log to one backend: what became of what it asked for, acknowledged when the backend has it."""

import contextlib
from datetime import timedelta

from concierge_backends import port
from concierge_proto import bus, errors, messages, subjects

BEFORE = timedelta(minutes=10)
"""How far before its outcome a decision is looked for: it is stored moments before, by clocks that may differ."""
SILENT = frozenset(
    {"", "canceled", "closed", "command", "release", "repaired", "suppressed", "test", "update"}
)
"""Verdicts of the gateway after which there is nothing to say: it was done, or it was no request."""


class Teller:
    """One backend's own consumer of the log. One lane: reports go in the order in which they were stored."""

    def __init__(self, link: bus.Bus, backend: port.Backend) -> None:
        self._link = link
        self._backend = backend
        kinds = ("trigger", "decision", "outcome")
        self.worker = bus.Worker(
            link,
            self.handle,
            stream="EVENTS",
            durable=f"tell-{backend.name}",
            subjects=tuple(f"{subjects.ROOT}.event.*.{kind}" for kind in kinds),
            lanes=1,
            new=True,
        )

    async def handle(self, delivery: bus.Delivery) -> None:
        """Tell; Temporary lets it come again, Permanent buries it."""
        report = await self._report(delivery)
        if report:
            await self._backend.report(report)

    async def _report(self, delivery: bus.Delivery) -> port.Report | None:
        kind = subjects.parse(delivery.subject).detail
        if kind == "outcome":
            outcome = delivery.read(messages.Outcome)
            return port.Report(outcome, await self._behind(outcome))
        if kind == "decision":
            decision = delivery.read(messages.Decision)
            return port.Report(decision, decision.command)
        trigger = delivery.read(messages.Trigger)
        return None if trigger.verdict in SILENT else port.Report(trigger)

    async def _behind(self, outcome: messages.Outcome) -> messages.Command | None:
        """Find the command in the decision to act on it: an outcome names only its id."""
        if not outcome.command_id:
            return None
        subject = subjects.event(outcome.service, "decision")
        decisions = self._link.history("EVENTS", subject, since=outcome.started_at - BEFORE)
        async with contextlib.aclosing(decisions):
            async for delivery in decisions:
                with contextlib.suppress(errors.Malformed):
                    decision = delivery.read(messages.Decision)
                    if decision.command_id == outcome.command_id and decision.command:
                        return decision.command
        return None
