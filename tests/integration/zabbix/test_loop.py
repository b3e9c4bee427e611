"""The way out and the way back on a real server."""

import asyncio
import logging
import math
import statistics
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from concierge_backends import port
from concierge_backends.zabbix import api, backend, names, webhook
from concierge_proto import messages, metric, settings, signature
from tests.integration.zabbix.conftest import SECRET, Apply, Gateway, Hook, Until

PAUSE = 1.5
"""Seconds. Zabbix 7.0 lets a recovery wait for 3 s that comes within a second or so of its problem."""
_log = logging.getLogger(__name__)
LOAD = metric.Metric("gauge", "load", "value")
AWKWARD = (
    "",
    " lead",
    "$1",
    '"q"',
    "a b",
    'a"b',
    "a,b",
    'a"b,c',
    "a[b",
    "a]",
    "back\\",
    "größe✓",
    "load",
    "tab\there",
    "[x",
    "{#X}",
)
"""Names that Zabbix quotes, and names that it does not."""


def snapshot(service: str, time_ns: int, seq: int = 1) -> messages.Snapshot:
    values = tuple(float(number) for number in range(len(AWKWARD)))
    return messages.Snapshot(
        service=service,
        instance="one",
        time_ns=time_ns,
        seq=seq,
        boot="b1",
        blocks=(
            messages.Block(kind="gauge", fields=("value",), names=AWKWARD, values=values),
            messages.Block(kind="timer", fields=("count", "p95"), names=("t",), values=(7, 0.25)),
            messages.Block(kind="item", fields=("value",), names=("courier.elapsed",), values=(41,)),
        ),
    )


def load(service: str, value: float, heard: int = 2) -> port.Aggregates:
    aggregate = port.Aggregate(LOAD, 2, value, 2 * value, value, value)
    return port.Aggregates(service, time.time_ns(), heard, heard, (aggregate,))


async def stored(door: api.Api, host: str, key: str, kind: int = 0) -> list[dict[str, Any]]:
    items = await door.call("item.get", {"host": host, "filter": {"key_": key}, "output": ["itemid"]})
    if not items:
        return []
    found: list[dict[str, Any]] = await door.call(
        "history.get", {"itemids": [items[0]["itemid"]], "history": kind, "output": "extend"}
    )
    return found


def read(hook: Hook) -> messages.Trigger:
    """What the gateway would make of it."""
    now = time.time()
    signature.verify([SECRET.encode()], hook.headers, hook.body, now, 60)
    (found,) = webhook.read(hook.body, "zabbix", datetime.now(UTC))
    return found


async def test_a_new_instance_registers_itself_and_loses_nothing(
    ready: Apply, config: settings.Settings, service: str, door: api.Api, until: Until
) -> None:
    await ready()
    now = time.time_ns()
    host = names.instance_host(config, service, "one")
    kinds = {"gauge": AWKWARD, "timer": ("t",)}
    async with backend.open(config) as system:
        await system.discovery(
            messages.Discovery(service=service, instance="one", time_ns=now, boot="b1", kinds=kinds)
        )
        first = await system.snapshot(snapshot(service, now))
        assert (first.processed, first.failed) == (0, first.total)
        await system.heartbeat(
            messages.Heartbeat(service=service, instance="one", time_ns=now, boot="b1", state=1)
        )
        (found,) = await until(lambda: stored(door, host, "timer[t,p95]"))
        assert (int(found["clock"]), int(found["ns"])) == divmod(now, 10**9)
        assert float(found["value"]) == 0.25
        assert len(await until(lambda: stored(door, host, "container.state", 3))) == 1
        assert len(await until(lambda: stored(door, host, "courier.elapsed"))) == 1

        second = await system.snapshot(snapshot(service, time.time_ns(), seq=2))
        assert second == port.Delivered(second.total, 0, second.total)
    (made,) = await door.call(
        "host.get",
        {"filter": {"host": host}, "selectParentTemplates": ["host"], "selectGroups": ["name"]}
        if not door.seven
        else {"filter": {"host": host}, "selectParentTemplates": ["host"], "selectHostGroups": ["name"]},
    )
    assert [one["host"] for one in made["parentTemplates"]] == [f"Concierge instance of {service}"]
    groups = made.get("hostgroups", made.get("groups"))
    assert names.host_group(config, service) in [one["name"] for one in groups]


async def test_what_has_no_item_is_counted_and_so_is_what_is_no_number(
    ready: Apply, config: settings.Settings, service: str, door: api.Api, until: Until
) -> None:
    await ready()
    async with backend.open(config) as system:
        await system.heartbeat(
            messages.Heartbeat(
                service=service,
                instance="one",
                time_ns=time.time_ns(),
                boot="b1",
                state=0,
                reason="exited",
                exit_code=3,
            )
        )
        host = names.instance_host(config, service, "one")
        (why,) = await until(lambda: stored(door, host, "container.state.reason", 4))
        assert why["value"] == "exited (exit code 3)"
        item = messages.Block(
            kind="item",
            fields=("value",),
            names=("courier.elapsed", "nowhere", "courier.skipped"),
            values=(5, 1, math.nan),
        )
        sent = messages.Snapshot(
            service=service, instance="one", time_ns=time.time_ns(), seq=1, boot="b1", blocks=(item,)
        )
        found = await system.snapshot(sent)
    assert found[:3] == (1, 2, 3)
    assert found.detail == "1 are not a finite number; 1 have no item yet: they will be sent once more"


async def test_a_high_aggregate_calls_the_gateway_and_its_recovery_too(
    ready: Apply, config: settings.Settings, service: str, gateway: Gateway, until: Until
) -> None:
    await ready(gateway.url)
    async with backend.open(config) as system:
        assert await mine(system, service) == []

        began = time.time()
        await system.aggregates(load(service, 5.0))
        problem = read(await gateway.next(service))
        assert (problem.status, problem.action, problem.service) == ("problem", "scale_out 1", service)
        assert (problem.name, problem.severity, problem.verdict) == (f"High load of {service}", 4, "")
        assert float(problem.value) == 5.0
        assert problem.started_at is not None
        assert abs(problem.started_at.timestamp() - began) < 2

        (still,) = await until(lambda: mine(system, service))
        assert (still.event_id, still.correlation_id) == (problem.event_id, problem.correlation_id)
        assert (still.action, still.service, still.name, still.severity) == (
            problem.action,
            problem.service,
            problem.name,
            problem.severity,
        )
        assert still.started_at == problem.started_at
        assert still.url == problem.url

        await system.aggregates(load(service, 3.0))  # inside the hysteresis: nothing
        await system.aggregates(load(service, 1.0))
        recovery = read(await gateway.next(service))
        assert (recovery.status, recovery.verdict, recovery.event_id) == ("resolved", "", problem.event_id)
        assert recovery.tags["concierge.correlation"] == "c1"
        assert await until(lambda: nothing(system, service))


async def mine(system: backend.Backend, service: str) -> list[messages.Trigger]:
    """Open problems of this test's service; the server has those of others too."""
    return [problem for problem in await system.problems("zabbix") if problem.service == service]


async def nothing(system: backend.Backend, service: str) -> bool:
    return not await mine(system, service)


async def test_a_problem_ends_when_nobody_is_heard_any_more(
    ready: Apply, config: settings.Settings, service: str, gateway: Gateway
) -> None:
    await ready(gateway.url)
    async with backend.open(config) as system:
        await system.aggregates(load(service, 5.0))
        assert read(await gateway.next(service)).status == "problem"
        await system.aggregates(port.Aggregates(service, time.time_ns(), 0, 0, ()))
        assert read(await gateway.next(service)).status == "resolved"


async def test_closing_by_hand_is_one_release(
    ready: Apply, config: settings.Settings, service: str, gateway: Gateway, door: api.Api
) -> None:
    await ready(gateway.url)
    async with backend.open(config) as system:
        await system.aggregates(load(service, 5.0))
        problem = read(await gateway.next(service))
        await door.call(
            "event.acknowledge", {"eventids": [problem.event_id], "action": 1 | 4, "message": "done"}
        )
        both: list[messages.Trigger] = []
        while len(both) < 2:
            # Between the two a timer may open a new problem: the value is still too high.
            told = read(await gateway.next(service))
            both += [told] if told.event_id == problem.event_id else []
    assert sorted(one.verdict for one in both) == ["", "update"]
    assert [one.status for one in both if not one.verdict] == ["resolved"]
    assert both[0].id != both[1].id


async def test_the_problem_of_a_disabled_trigger_is_not_open(
    ready: Apply, config: settings.Settings, service: str, gateway: Gateway, door: api.Api, until: Until
) -> None:
    await ready(gateway.url)
    async with backend.open(config) as system:
        await system.aggregates(load(service, 5.0))
        problem = read(await gateway.next(service))
        (event,) = await door.call("event.get", {"eventids": [problem.event_id], "output": ["objectid"]})
        await door.call("trigger.update", {"triggerid": event["objectid"], "status": 1})
        assert await until(lambda: nothing(system, service))
        dead = await door.call("problem.get", {"eventids": [problem.event_id]})
        assert len(dead) == 1


async def test_a_comment_on_a_problem_is_an_update(
    ready: Apply, config: settings.Settings, service: str, gateway: Gateway, door: api.Api
) -> None:
    await ready(gateway.url)
    async with backend.open(config) as system:
        await system.aggregates(load(service, 5.0))
        problem = read(await gateway.next(service))
        await door.call("event.acknowledge", {"eventids": [problem.event_id], "action": 4, "message": "hm"})
        update = read(await gateway.next(service))
    assert (update.verdict, update.status, update.event_id) == ("update", "problem", problem.event_id)
    assert update.id != problem.id


async def test_a_trigger_fires_within_the_time_that_the_design_counts_on(
    ready: Apply, config: settings.Settings, service: str, gateway: Gateway, door: api.Api
) -> None:
    await ready(gateway.url)
    found: dict[str, list[float]] = {"problem": [], "resolved": []}
    async with backend.open(config) as system:
        for number in range(10 if door.seven else 3):
            began = time.monotonic()
            await system.aggregates(load(service, 1.0 if number % 2 else 5.0))
            hook = await gateway.next(service)
            found[read(hook).status].append((hook.at - began) * 1000)
            await asyncio.sleep(PAUSE)
    for status, times in found.items():
        _log.info(
            "value to webhook, %s: median %.1f, most %.1f ms", status, statistics.median(times), max(times)
        )
    assert statistics.median(found["problem"]) < (60 if door.seven else 8000)


async def test_heartbeats_make_an_instance_available(
    ready: Apply, config: settings.Settings, service: str, door: api.Api, until: Until
) -> None:
    if not door.seven:
        pytest.skip("6.0 knows no availability of active agents")
    await ready()
    host = names.instance_host(config, service, "one")

    async def available() -> bool:
        await system.heartbeat(
            messages.Heartbeat(
                service=service, instance="one", time_ns=time.time_ns(), boot="b1", state=1, interval_s=1
            )
        )
        found = await door.call("host.get", {"filter": {"host": host}, "output": ["active_available"]})
        return bool(found) and found[0]["active_available"] == "1"

    async with backend.open(config) as system:
        assert await until(available)
