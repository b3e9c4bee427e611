"""What is open at the source, when the source, a service or a neighbour is in trouble."""

from datetime import UTC, datetime

import msgspec

from concierge_gateway import publish, rules, steps
from concierge_proto import bus, messages, subjects
from tests.integration.gateway import house
from tests.integration.gateway import test_repair as scene

start, stored = scene.start, scene.stored


async def fill(link: bus.Bus, service: str) -> None:
    """Leave no room in a service's queue, as when its scheduler has been away for long."""
    subject = subjects.command("shop", service)
    for number in range(100):
        note = messages.Control(service=service, what=str(number), at=datetime.now(UTC))
        await link.publish(link.pack(subject, note))


async def served(link: bus.Bus, service: str) -> int:
    """Return how many messages are in a service's queue."""
    state = await link._js.stream_info("COMMANDS", subjects_filter=subjects.command("shop", service))
    return sum((state.state.subjects or {}).values())


async def test_a_full_queue_keeps_no_other_service_from_being_repaired(
    link: bus.Bus, start: scene.Start
) -> None:
    await fill(link, "web")
    other = scene.problem(event_id="b", service="api", name="x", action="scale_out 1")
    gateway = start(scene.Level(scene.problem(event_id="a"), other))
    await gateway.look()
    assert await served(link, "api") == 1


async def test_a_full_queue_keeps_no_other_alert_of_its_group_out(client: house.Client) -> None:
    await fill(client.link, "web")
    began = datetime.now(UTC)
    alerts = [
        {
            "status": "firing",
            "fingerprint": f"f{number}",
            "startsAt": began,
            "annotations": {"concierge_action": "scale_out 1"},
            "labels": {"alertname": "x", "service": "api" if number == 39 else "web"},
        }
        for number in range(40)
    ]
    answer = await client.tell("am", version="4", alerts=alerts)
    assert answer.status_code == 503
    assert await served(client.link, "api") == 1


class Garbage(scene.Level):
    """A monitoring system whose answer has not the form that it should have."""

    async def problems(self, source: str) -> list[messages.Trigger]:
        raise KeyError(source)


async def test_garbage_keeps_no_other_source_from_its_steps(start: scene.Start, stored: house.Client) -> None:
    gateway = start(Garbage())
    await gateway.book.catch_up(gateway.link)
    await gateway.hear(scene.problem("own"))
    await gateway.look(after=95)
    assert await scene.verbs(stored) == ["scale_out", "scale_out"]


async def test_a_removed_service_is_closed_once(start: scene.Start, stored: house.Client) -> None:
    level = scene.Level(scene.problem("zabbix", step="1"))
    gateway = start(level)
    await gateway.book.catch_up(gateway.link)
    assert await gateway.hear(level.open[0]) == "command"
    level.open.clear()
    del gateway.config.services["web"]
    await gateway.look(after=60)
    assert gateway.book.open("zabbix") == []


async def test_two_gateways_one_repairs_the_other_hears_late(
    start: scene.Start, stored: house.Client
) -> None:
    first, second = start(scene.Level(scene.problem("zabbix"))), start()
    for gateway in (first, second):
        await gateway.book.catch_up(gateway.link)
    await first.look()
    assert await second.hear(scene.problem("zabbix", step="10:00:00")) == "repaired"
    assert await scene.verbs(stored) == ["scale_out"]


async def test_two_gateways_one_hears_late_while_the_other_repairs(
    start: scene.Start, stored: house.Client
) -> None:
    """Whoever is first, and however near: the other one's step is the same."""
    first, second = start(scene.Level(scene.problem("zabbix"))), start()
    for gateway in (first, second):
        await gateway.book.catch_up(gateway.link)
    assert await second.hear(scene.problem("zabbix", step="10:00:00")) == "command"
    await first.repair.look(datetime.now(UTC))  # it has not read of it yet
    assert await scene.verbs(stored) == ["scale_out"]
    assert await second.hear(scene.problem("zabbix", step="10:00:00")) == "duplicate"
    assert await second.hear(scene.problem("zabbix", step="10:01:00")) == "command"


async def test_what_was_killed_before_it_was_stored_is_stored_by_the_repair(
    start: scene.Start, stored: house.Client
) -> None:
    gateway = start(scene.Level(scene.problem("zabbix")))
    await gateway.book.catch_up(gateway.link)
    late = scene.problem("zabbix", step="10:00:00")
    judged = rules.judge(late, gateway.config, rules.Past(), datetime.now(UTC))
    await publish.Shelf(gateway.link).reserve(steps.repaired(late, "zabbix").id, judged)
    await gateway.look()
    assert await gateway.hear(late) == "command", "the same one"
    assert await scene.verbs(stored) == ["scale_out"]


async def test_a_silence_is_no_end(start: scene.Start, stored: house.Client) -> None:
    level = scene.Level(scene.problem(age=10))
    gateway = start(level)
    await gateway.book.catch_up(gateway.link)
    assert await gateway.hear(level.open[0]) == "command"
    level.open[0] = msgspec.structs.replace(level.open[0], verdict="suppressed")
    await gateway.look(after=100)
    await gateway.look(after=400)
    assert await scene.verbs(stored) == ["scale_out"], "neither released nor repeated"
    level.open[0] = msgspec.structs.replace(level.open[0], verdict="")
    await gateway.look(after=500)
    assert await scene.verbs(stored) == ["scale_out", "scale_out"]


async def test_what_was_silenced_from_the_start_is_served_after_it(
    start: scene.Start, stored: house.Client
) -> None:
    hidden = scene.problem(age=3600, name="x", action="scale_out 1")
    gateway = start(scene.Level(msgspec.structs.replace(hidden, verdict="suppressed")))
    await gateway.look()
    await gateway.look()
    assert [event.verdict for event in await stored.events()] == ["suppressed"]
    assert await gateway.hear(hidden) == "command"


async def test_an_alertmanager_that_has_just_started_ends_nothing(
    start: scene.Start, stored: house.Client
) -> None:
    level = scene.Level(scene.problem())
    gateway = start(level)
    await gateway.look()
    told, level.open = level.open, []
    await gateway.look(after=60)
    await gateway.look(after=120)
    level.open = told
    await gateway.look(after=180)
    level.open = []
    await gateway.look(after=240)
    await gateway.look(after=300)
    assert "release" not in await scene.verbs(stored)
    await gateway.look(after=400)
    assert (await scene.verbs(stored))[-1] == "release"
