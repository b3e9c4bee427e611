"""Aggregates of a service that only labels bring."""

from datetime import UTC, datetime

import msgspec
import pytest

from concierge_backends import aggregate
from concierge_proto import bus, messages, settings
from concierge_proto.bus import found
from tests.integration.backends.conftest import forwarding
from tests.integration.backends.test_forwarder import publish, snapshot, told

CONFIG = settings.Settings(
    monitoring=settings.Monitoring(backends=("alpha",)),
    targets={"shop": settings.Target(kind="compose", labels=True)},
)


async def say(link: bus.Bus, **more: str) -> None:
    written = {"concierge.max": "5", **{f"concierge.{key}": value for key, value in more.items()}}
    services = {"web": messages.Labelled(called="web", labels=written)} if more else {}
    value = messages.Found(target="shop", services=services, at=datetime.now(UTC))
    await link.store(found.BUCKET).put("shop", msgspec.json.encode(value))


async def test_they_begin_and_end_with_the_labels(link: bus.Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(found, "EVERY", 0.05)
    async with forwarding(CONFIG, link) as (alpha,):
        await say(link, aggregates="gauge[load,value]")
        await alpha.until(lambda fake: fake.services)
        await publish(link, snapshot(load=4.0))
        await alpha.until(told(1, 4.0))
        await say(link, aggregates="gauge[load,value]", min="2")
        await publish(link, snapshot("two", load=2.0))
        await alpha.until(told(2, 3.0))
        await say(link)
        last = found.Catalogue(CONFIG)
        await last.look(link)
        assert not last.config.services


def test_a_policy_that_folds_alike_is_folded_on() -> None:
    policy = settings.Service(target="shop", max=3)
    same = msgspec.structs.replace(policy, max=4)
    other = msgspec.structs.replace(policy, fresh=settings.Duration(9))
    ways = [aggregate.Aggregator("web", each.fresh, aggregate.wanted(each)) for each in (policy, same, other)]
    assert ways[0].alike(ways[1])
    assert not ways[0].alike(ways[2])
