"""A keeper with a target on a real NATS, and the ear that hears what it publishes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from concierge_proto import bus, identity, messages, settings, subjects
from concierge_scheduler.keeper import Keeper
from concierge_scheduler.presence import Presence
from concierge_scheduler.targets import memory, port

PATIENCE = 40.0


def policy(**changes: Any) -> settings.Service:
    """Return a policy whose times suit a test."""
    quick = {"cooldown_out": 0.0, "cooldown_in": 0.0, "settle": 0.05, "converge": 3.0, "heard": False}
    return settings.Service(**{"target": "shop", "max": 5, **quick, **changes})


def command(verb: messages.Verb = "scale_out", amount: int = 1, **changes: Any) -> messages.Command:
    now = datetime.now(UTC)
    facts: dict[str, Any] = {
        "id": identity.mint(),
        "service": "web",
        "target": "shop",
        "verb": verb,
        "amount": amount,
        "problem": "zabbix/1",
        "correlation_id": "incident",
        "issued_at": now,
        "expires_at": now + timedelta(seconds=60),
    }
    return messages.Command(**{**facts, **changes})


async def send(link: bus.Bus, one: messages.Command, *, again: bool = False) -> messages.Command:
    """Publish a command; `again` under another message id, as a resend after the duplicate window."""
    key = identity.mint() if again else one.id
    subject = subjects.command(one.target, one.service)
    await link.publish(link.pack(subject, one, id=key, correlation_id=one.correlation_id))
    return one


@contextlib.asynccontextmanager
async def keeping(
    link: bus.Bus,
    target: port.Target,
    services: Mapping[str, settings.Service],
    *,
    presence: Presence | None = None,
    watch: float = 30.0,
) -> AsyncIterator[Keeper]:
    """Run a keeper for as long as the context is open."""
    heard = presence or Presence()
    keeper = Keeper("shop", services, link, heard, watch=watch)
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(heard.run(link)),
            group.create_task(keeper.run(target, await target.identity())),
        ]
        async with asyncio.timeout(PATIENCE):
            await keeper.attending.wait()
        yield keeper
        for task in tasks:
            task.cancel()


class Ear:
    """Hears every event of a service, from the beginning of the log."""

    def __init__(self) -> None:
        self.events: list[bus.Delivery] = []
        self._more = asyncio.Condition()

    async def listen(self, link: bus.Bus, service: str) -> None:
        async for delivery in link.history("EVENTS", f"concierge.v1.event.{service}.>", follow=True):
            async with self._more:
                self.events.append(delivery)
                self._more.notify_all()

    @property
    def decisions(self) -> list[messages.Decision]:
        return [one.read(messages.Decision) for one in self.events if one.subject.endswith(".decision")]

    @property
    def acts(self) -> list[messages.Decision]:
        return [one for one in self.decisions if one.verdict == "act"]

    @property
    def outcomes(self) -> list[messages.Outcome]:
        return [one.read(messages.Outcome) for one in self.events if one.subject.endswith(".outcome")]

    @property
    def controls(self) -> list[str]:
        return [one.read(messages.Control).what for one in self.events if one.subject.endswith(".control")]

    def reasons(self, one: messages.Command) -> list[tuple[str, str]]:
        """Return (verdict, reason) of every decision about a command."""
        return [(each.verdict, each.reason) for each in self.decisions if each.command_id == one.id]

    async def until(self, there: Callable[[], Any]) -> Any:
        """Wait until `there()` is true, looking at every new event."""
        try:
            async with asyncio.timeout(PATIENCE), self._more:
                await self._more.wait_for(there)
        except TimeoutError as error:
            error.add_note("\n".join(f"{one.subject} {one.body.decode()}" for one in self.events))
            raise
        return there()


@contextlib.asynccontextmanager
async def hearing(link: bus.Bus, service: str = "web") -> AsyncIterator[Ear]:
    ear = Ear()
    task = asyncio.create_task(ear.listen(link, service))
    try:
        yield ear
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def place(**counts: int) -> memory.Memory:
    """Return a memory target with these services and counts."""
    target = memory.Memory("shop", {name: policy() for name in counts})
    target.counts.update(counts)
    return target


async def beat(link: bus.Bus, *instances: str, state: int = 1, service: str = "web") -> None:
    """Say a heartbeat for each of these instances."""
    for instance in instances:
        one = messages.Heartbeat(
            service=service, instance=instance, time_ns=0, boot="b", state=state, interval_s=10
        )
        await link.tell(link.pack(subjects.heartbeat(service, instance), one))
    await link.flush()


async def left(link: bus.Bus) -> int:
    """Return how many commands nobody has acknowledged."""
    return (await link._js.stream_info("COMMANDS")).state.messages
