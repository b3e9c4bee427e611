"""From the log to the monitoring system that asked: what became of it, once and in order."""

from datetime import UTC, datetime, timedelta
from typing import Any

from concierge_backends import port
from concierge_proto import bus, errors, messages, settings, subjects
from tests.integration.backends import fakes
from tests.integration.backends.conftest import forwarding

NOW = datetime.now(UTC)
CONFIG = settings.Settings(
    monitoring=settings.Monitoring(backends=("alpha", "beta")),
    targets={"shop": settings.Target(kind="compose")},
    services={"web": settings.Service(target="shop", max=3)},
)


def command(name: str = "c1") -> messages.Command:
    return messages.Command(
        id=name,
        service="web",
        target="shop",
        verb="scale_out",
        amount=1,
        problem="zabbix/1",
        correlation_id="i",
        issued_at=NOW,
        expires_at=NOW + timedelta(minutes=5),
    )


def decision(verdict: messages.Verdict = "act", name: str = "c1", **more: Any) -> messages.Decision:
    return messages.Decision(
        id=f"d-{verdict}-{name}",
        service="web",
        target="shop",
        verdict=verdict,
        reason="ok",
        command_id=name,
        correlation_id="i",
        at=NOW,
        command=command(name),
        **more,
    )


def outcome(name: str = "c1") -> messages.Outcome:
    return messages.Outcome(
        id=f"o-{name}",
        service="web",
        target="shop",
        result="converged",
        before=1,
        wanted=2,
        after=2,
        duration_ms=5,
        command_id=name,
        correlation_id="i",
        started_at=NOW,
        at=NOW,
    )


def trigger(verdict: str) -> messages.Trigger:
    return messages.Trigger(
        id=f"t-{verdict}",
        source="zabbix",
        event_id="1",
        status="problem",
        service="web",
        correlation_id="i",
        received_at=NOW,
        verdict=verdict,
    )


async def log(link: bus.Bus, *events: messages.Trigger | messages.Decision | messages.Outcome) -> None:
    for event in events:
        kind = type(event).__name__.lower()
        await link.publish(link.pack(subjects.event("web", kind), event, id=event.id))


async def test_every_system_hears_it_in_order_with_the_command_behind(link: bus.Bus) -> None:
    async with forwarding(CONFIG, link) as systems:
        await log(link, decision(), outcome(), decision("nothing", "c2"))
        for system in systems:
            found = await system.until(lambda fake: len(fake.reports) == 3 and fake.reports)
            assert found == [
                port.Report(decision(), command()),
                port.Report(outcome(), command()),
                port.Report(decision("nothing", "c2"), command("c2")),
            ]


async def test_a_trigger_is_told_only_when_nothing_came_of_it(link: bus.Bus) -> None:
    async with forwarding(CONFIG, link) as (alpha, _):
        await log(link, *map(trigger, ("command", "release", "test", "update", "no_rule")), outcome("nobody"))
        found = await alpha.until(lambda fake: len(fake.reports) == 2 and fake.reports)
        assert found == [port.Report(trigger("no_rule")), port.Report(outcome("nobody"))]


async def test_what_a_system_did_not_take_comes_again(link: bus.Bus) -> None:
    async with forwarding(CONFIG, link) as (alpha, beta):
        alpha.fault = fakes.AWAY
        await log(link, decision("refuse"))
        await beta.until(lambda fake: fake.reports)
        await alpha.until(lambda fake: fake.calls >= 2)
        alpha.fault = None
        await alpha.until(lambda fake: fake.reports == [port.Report(decision("refuse"), command())])


async def test_what_was_stored_while_nobody_told_is_told_later(link: bus.Bus) -> None:
    async with forwarding(CONFIG, link) as (alpha, _):
        await log(link, decision())
        await alpha.until(lambda fake: fake.reports)
    await log(link, outcome())
    async with forwarding(CONFIG, link) as (alpha, _):
        await alpha.until(lambda fake: fake.reports == [port.Report(outcome(), command())])


async def test_a_refusal_for_good_is_buried(link: bus.Bus) -> None:
    async with forwarding(CONFIG, link) as (alpha, _):
        alpha.fault = errors.Permanent("no such event")
        await log(link, outcome())
        await alpha.until(lambda fake: fake.calls)
        alpha.fault = None
        await log(link, decision("wait", "c3"))
        await alpha.until(lambda fake: fake.reports == [port.Report(decision("wait", "c3"), command("c3"))])
        async for delivery in link.history("EVENTS", subjects.event("web", "deadletter"), follow=True):
            assert delivery.read(messages.DeadLetter).reason == "no such event"
            break
