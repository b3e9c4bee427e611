"""The demo's story: customers come, Concierge adds an instance; they leave, it takes it away."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import msgspec

from concierge_cli import show
from concierge_cli.demo import scene
from concierge_cli.demo.balancer import Balancer
from concierge_proto import bus, errors, messages, metric, subjects
from concierge_proto.bus import journal

QUIET, RUSH = 0.45, 1.0
"""Offered load, in instances' worth: 0.45 is fine for one, 1.0 is too much for one and fine for two."""
_CALM = 4
"""Values that are watched before anything happens."""
_PATIENCE = 90.0
"""Seconds for one act of the story."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One closed loop: what was done, and how long each stage took."""

    before: int
    after: int
    stages_ms: dict[str, float]
    correlation_id: str


class Story:
    """What has been seen so far; the view draws it."""

    def __init__(self, link: bus.Bus, balancer: Balancer) -> None:
        self._link = link
        self._balancer = balancer
        self._changed = asyncio.Condition()
        self._crossed: dict[str, int] = {}
        self.loads: dict[str, tuple[float, float]] = {}
        """Instance to (load, monotonic time it was heard)."""
        self.averages: list[float] = []
        self.log: list[bus.Delivery] = []
        self.chapter = "the first instance starts"
        self.bus = ""
        """Address of NATS, for whoever wants to look in."""

    @property
    def offered(self) -> float:
        return self._balancer.offered

    @property
    def heard(self) -> dict[str, float]:
        """Instances heard within the last three seconds, and their load."""
        now = time.monotonic()
        return {name: load for name, (load, at) in sorted(self.loads.items()) if now - at < 3}  # noqa: PLR2004

    async def watch(self) -> None:
        """Follow snapshots and events until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch_snapshots())
            group.create_task(self._watch_events())

    async def once(self) -> tuple[Change, Change]:
        """Play one rise and one fall; raises Permanent with what did not happen."""
        await self._until("the first instance is heard", lambda: len(self.heard) == 1)
        self.chapter = f"a quiet hour: load {self.offered}"
        calm = len(self.averages) + _CALM
        await self._until("some quiet values", lambda: len(self.averages) >= calm)
        out = await self._act("customers come", RUSH, "High load", 2)
        back = await self._act("customers leave", QUIET, "Low load", 1)
        return out, back

    async def _act(self, chapter: str, offered: float, trigger: str, wanted: int) -> Change:
        self.chapter = f"{chapter}: load {offered}"
        self._crossed.pop(trigger, None)
        start = len(self.log)
        self._balancer.offered = offered
        await self._until(f"{wanted} instances", lambda: self._outcome(start, wanted) is not None)
        await self._until(f"{trigger} is resolved", lambda: self._resolved(start, trigger))
        outcome = self._outcome(start, wanted)
        if outcome is None:
            raise errors.Permanent("the outcome is gone")
        return self._change(outcome, start)

    async def _until(self, what: str, true) -> None:  # type: ignore[no-untyped-def]
        try:
            async with asyncio.timeout(_PATIENCE), self._changed:
                await self._changed.wait_for(true)
        except TimeoutError:
            lines = "\n".join(str(show.line(delivery)) for delivery in self.log[-8:])
            raise errors.Permanent(
                f"waited {_PATIENCE:g} s in vain for: {what}; offered load {self.offered}, "
                f"heard {self.heard}. What was seen last:\n{lines}"
            ) from None

    def _outcome(self, start: int, wanted: int) -> messages.Outcome | None:
        for delivery in self.log[start:]:
            event = journal.read(delivery)
            if isinstance(event, messages.Outcome) and event.result == "converged" and event.after == wanted:
                return event
        return None

    def _resolved(self, start: int, name: str) -> bool:
        events = [journal.read(delivery) for delivery in self.log[start:]]
        return any(
            isinstance(e, messages.Trigger) and e.status == "resolved" and name in e.name for e in events
        )

    def _change(self, outcome: messages.Outcome, start: int) -> Change:
        delivery, trigger = self._trigger(outcome, start)
        crossed = datetime.fromtimestamp(self._crossed.get(_threshold(trigger.name), 0) / 1e9, UTC)
        marks = [crossed, trigger.received_at, delivery.stored_at, outcome.started_at, outcome.at]
        names = ["value_to_trigger", "trigger_to_command", "command_to_act", "act_to_converged"]
        gaps = [(after - before).total_seconds() * 1000 for before, after in itertools.pairwise(marks)]
        return Change(
            before=outcome.before,
            after=outcome.after,
            stages_ms={name: round(gap, 1) for name, gap in zip(names, gaps, strict=True)},
            correlation_id=outcome.correlation_id,
        )

    def _trigger(self, outcome: messages.Outcome, start: int) -> tuple[bus.Delivery, messages.Trigger]:
        for delivery in self.log[start:]:
            event = journal.read(delivery)
            if isinstance(event, messages.Trigger) and event.correlation_id == outcome.correlation_id:
                return delivery, event
        raise errors.Permanent(f"no trigger stands behind outcome {outcome.id}")

    async def _watch_snapshots(self) -> None:
        wanted = metric.parse(scene.METRIC)
        async with self._link.listening(f"{subjects.ROOT}.snapshot.{scene.SERVICE}.*") as heard:
            async for delivery in heard:
                snapshot = delivery.read(messages.Snapshot)
                for load in _values(snapshot, wanted):
                    self.loads[snapshot.instance] = (load, time.monotonic())
                    self._average(snapshot.time_ns)
                await self._tell()

    async def _watch_events(self) -> None:
        async for delivery in self._link.history("EVENTS", f"{subjects.ROOT}.event.>", follow=True):
            self.log.append(delivery)
            await self._tell()

    def _average(self, time_ns: int) -> None:
        heard = self.heard
        average = sum(heard.values()) / len(heard)
        self.averages.append(average)
        if average > scene.HIGH:
            self._crossed.setdefault("High load", time_ns)
        if average < scene.LOW:
            self._crossed.setdefault("Low load", time_ns)

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


@contextlib.asynccontextmanager
async def watching(link: bus.Bus, balancer: Balancer) -> AsyncIterator[Story]:
    """Follow what happens while the context is open."""
    story = Story(link, balancer)
    task = asyncio.create_task(story.watch())
    try:
        yield story
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _values(snapshot: messages.Snapshot, wanted: metric.Metric) -> list[float]:
    return [
        float(value)
        for block in snapshot.blocks
        if block.kind == wanted.kind
        for name, field, value in block.cells()
        if (name, field) == (wanted.name, wanted.field)
    ]


def _threshold(name: str) -> str:
    return "High load" if "High load" in name else "Low load"
