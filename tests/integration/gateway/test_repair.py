"""The level behind the edges: what is open at the source against what the webhooks told."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from concierge_backends import trigger
from concierge_gateway import ledger, publish, repair, sources, webhooks
from concierge_proto import bus, errors, messages, settings
from tests.integration.gateway import house


class Level:
    """A monitoring system that lists what it is told to list."""

    def __init__(self, *open_now: messages.Trigger) -> None:
        self.open = list(open_now)
        self.away = False

    async def problems(self, source: str) -> list[messages.Trigger]:
        if self.away:
            raise errors.Temporary("the API is away")
        return [found for found in self.open if found.source == source]


def problem(source: str = "am", *, age: float = 60, **fields: Any) -> messages.Trigger:
    now = datetime.now(UTC)
    given: dict[str, Any] = {
        "service": "web",
        "name": "High load",
        "started_at": now - timedelta(seconds=age),
        "received_at": now,
    } | fields
    return trigger.make(source, given.pop("event_id", "e"), "problem", given.pop("step", ""), **given)


class Gateway:
    """The parts of a gateway without its HTTP, and with a minute that is asked for."""

    def __init__(self, link: bus.Bus, folder: Path, level: Level | None = None) -> None:
        self.config = _ticking(house.configuration(folder))
        self.book = ledger.Ledger()
        known = sources.build(self.config, {})
        self.receiver = webhooks.Webhooks(self.config, known, publish.Shelf(link), self.book)
        problems = dict.fromkeys(("am", "zabbix"), level) if level else {}
        self.repair = repair.Repair(self.config, link, self.book, self.receiver, problems)
        self.link = link

    async def hear(self, told: messages.Trigger) -> str:
        """Take a webhook in, as the HTTP side does, and return the decision."""
        return (await self.receiver._arrive(told)).decision

    async def look(self, after: float = 0) -> None:
        """Let a minute's look happen, `after` seconds from now."""
        await self.book.catch_up(self.link)
        await self.repair.look(datetime.now(UTC) + timedelta(seconds=after))


def _ticking(config: settings.Settings) -> settings.Settings:
    tree = {
        "targets": {"shop": {"kind": "compose"}},
        "services": {
            "web": {
                "target": "shop",
                "max": 9,
                "rules": [{"trigger": "High load*", "action": "scale_out 1", "repeat_every": "90s"}],
            }
        },
    }
    services = settings.parse(tree, "test").services
    return settings.Settings(
        gateway=config.gateway, targets=config.targets, services={**config.services, **services}
    )


Start = Callable[..., Gateway]


@pytest.fixture
def start(link: bus.Bus, tmp_path: Path) -> Start:
    return lambda level=None: Gateway(link, tmp_path, level)


@pytest.fixture
def stored(link: bus.Bus) -> house.Client:
    return house.Client(None, link)  # type: ignore[arg-type] # only looks at the bus


async def verbs(stored: house.Client) -> list[str]:
    return [command.verb for command in await stored.commands()]


async def test_a_problem_whose_webhook_was_lost_is_opened(start: Start, stored: house.Client) -> None:
    gateway = start(Level(problem()))
    await gateway.look()
    await gateway.look()
    assert await verbs(stored) == ["scale_out"]
    (event,) = await stored.events("web")
    assert event.verdict == "command"


@pytest.mark.parametrize("source", ["am", "zabbix"])
async def test_its_late_webhook_is_the_same_step(start: Start, stored: house.Client, source: str) -> None:
    gateway = start(Level(problem(source)))
    await gateway.look()
    step = "2026.11.22 10:00:00 action 7" if source == "zabbix" else ""
    late = problem(source, step=step)
    assert await gateway.hear(late) == ("repaired" if source == "zabbix" else "duplicate")
    assert await verbs(stored) == ["scale_out"]


async def test_and_the_step_after_it_is_a_step(start: Start, stored: house.Client) -> None:
    gateway = start(Level(problem("zabbix")))
    await gateway.look()
    assert await gateway.hear(problem("zabbix", step="10:00:00")) == "repaired"
    assert await gateway.hear(problem("zabbix", step="10:00:00")) == "duplicate"
    assert await gateway.hear(problem("zabbix", step="10:01:00")) == "command"
    assert await verbs(stored) == ["scale_out", "scale_out"]


async def test_a_young_problem_is_left_to_its_webhook(start: Start, stored: house.Client) -> None:
    await start(Level(problem(age=5))).look()
    assert await stored.events() == []


async def test_an_old_one_is_told_but_not_acted_upon(start: Start, stored: house.Client) -> None:
    gateway = start(Level(problem(age=3600, name="other")))
    await gateway.look()
    await gateway.look(after=300)
    assert [event.verdict for event in await stored.events()] == ["too_old"]
    assert await verbs(stored) == []


async def test_a_problem_that_is_gone_is_released_once(start: Start, stored: house.Client) -> None:
    level = Level(problem("zabbix", step="1"))
    gateway = start(level)
    await gateway.book.catch_up(gateway.link)
    assert await gateway.hear(level.open[0]) == "command"
    level.open.clear()
    await gateway.look()
    assert await verbs(stored) == ["scale_out"]  # its list may be older than the webhook
    await gateway.look(after=60)
    await gateway.look(after=120)
    assert await verbs(stored) == ["scale_out", "release"]
    farewell = trigger.make("zabbix", "e", "resolved", "", service="web", received_at=datetime.now(UTC))
    assert await gateway.hear(farewell) == "duplicate"
    assert await verbs(stored) == ["scale_out", "release"]


async def test_an_api_that_is_away_closes_nothing(start: Start, stored: house.Client) -> None:
    level = Level()
    gateway = start(level)
    await gateway.book.catch_up(gateway.link)
    await gateway.hear(problem("zabbix", step="1"))
    level.away = True
    await gateway.look(after=60)
    assert await verbs(stored) == ["scale_out"]


async def test_a_restart_forgets_nothing(start: Start, stored: house.Client) -> None:
    level = Level(problem("zabbix", event_id="lost"), problem("zabbix", event_id="known"))
    before = start(level)
    await before.book.catch_up(before.link)
    await before.hear(problem("zabbix", event_id="known", step="1"))
    await before.look()
    after = start(level)
    await after.look()
    assert len(await stored.commands()) == 2  # neither is opened again
    assert await after.hear(problem("zabbix", event_id="lost", step="1")) == "repaired"
    level.open.clear()
    await start(level).look(after=60)
    assert sorted(await verbs(stored)) == ["release", "release", "scale_out", "scale_out"]


async def test_repeat_every_steps_while_a_problem_stays_open(start: Start, stored: house.Client) -> None:
    level = Level(problem(age=10))
    gateway = start(level)
    await gateway.book.catch_up(gateway.link)
    assert await gateway.hear(level.open[0]) == "command"
    await gateway.look(after=60)
    assert len(await stored.commands()) == 1
    await gateway.look(after=90)  # 100 s after it began
    await gateway.look(after=100)
    assert len(await stored.commands()) == 2
    level.away = True
    await gateway.look(after=200)
    assert len(await stored.commands()) == 2  # whether it is still open is not known
    level.away = False
    level.open.clear()
    await gateway.look(after=200)
    await gateway.look(after=400)
    assert await verbs(stored) == ["scale_out", "scale_out", "release"]


async def test_repeat_every_for_a_sender_that_cannot_be_asked(start: Start, stored: house.Client) -> None:
    gateway = start()
    await gateway.book.catch_up(gateway.link)
    silent = problem("own", started_at=None)
    assert await gateway.hear(silent) == "command"
    await gateway.look(after=95)
    await gateway.look(after=100)
    assert len(await stored.commands()) == 2
    end = trigger.make("own", "e", "resolved", "", service="web", received_at=datetime.now(UTC))
    assert await gateway.hear(end) == "release"
    await gateway.look(after=500)
    assert await verbs(stored) == ["scale_out", "scale_out", "release"]


async def test_a_sender_with_steps_of_its_own_is_not_helped(start: Start, stored: house.Client) -> None:
    gateway = start()
    await gateway.book.catch_up(gateway.link)
    for source in ("own", "zabbix"):
        await gateway.hear(problem(source, step="1"))
    await gateway.look(after=500)
    assert len(await stored.commands()) == 2


async def test_two_gateways_tick_once(start: Start, stored: house.Client) -> None:
    first, second = start(), start()
    for gateway in (first, second):
        await gateway.book.catch_up(gateway.link)
    await first.hear(problem("own"))
    await asyncio.gather(first.look(after=95), second.look(after=95))
    await asyncio.gather(first.look(after=100), second.look(after=100))
    assert len(await stored.commands()) == 2


async def test_before_the_log_is_read_nothing_is_judged(start: Start) -> None:
    with pytest.raises(errors.Temporary, match="still being read"):
        await start().hear(problem())


async def test_the_minute_goes_on_by_itself(
    link: bus.Bus, serve: house.Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repair, "PERIOD", 0.05)
    level = Level(problem("zabbix"))
    async with serve(link, {"zabbix": level}) as client:
        async with asyncio.timeout(10):
            while not (found := await client.commands()):
                await asyncio.sleep(0.02)
    assert found[0].problem == "zabbix/e"


def test_the_pause_follows_the_shortest_repeat_every(tmp_path: Path) -> None:
    config = house.configuration(tmp_path)
    assert repair.period(config) == 60
    assert repair.period(_ticking(config)) == 60
    rule = settings.Rule(action="scale_out 1", repeat_every=settings.Duration(20))
    web = settings.Service(target="shop", max=2, rules=(rule,))
    assert repair.period(settings.Settings(services={"web": web})) == 20


async def test_who_is_asked_follows_from_the_configuration(tmp_path: Path) -> None:
    config = house.configuration(tmp_path)
    async with sources.asking(config) as asked:
        assert asked == {}
    (tmp_path / "api").write_text("token")
    monitoring = settings.Monitoring(
        prometheus=settings.Prometheus(alertmanager_url="http://127.0.0.1:1"),
        zabbix=settings.Zabbix(api_url="http://127.0.0.1:1", api_token_file=str(tmp_path / "api")),
    )
    async with sources.asking(msgspec.structs.replace(config, monitoring=monitoring)) as asked:
        assert asked == {}, "neither is in monitoring.backends"
    monitoring = msgspec.structs.replace(monitoring, backends=("zabbix",))
    async with sources.asking(msgspec.structs.replace(config, monitoring=monitoring)) as asked:
        assert set(asked) == {"zabbix"}
    monitoring = msgspec.structs.replace(monitoring, backends=("zabbix", "prometheus"))
    async with sources.asking(msgspec.structs.replace(config, monitoring=monitoring)) as asked:
        assert set(asked) == {"am", "slow-am", "zabbix"}
        with pytest.raises(errors.Temporary):
            await asked["am"].problems("am")
