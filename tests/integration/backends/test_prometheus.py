"""Real Pushgateway, Prometheus and Alertmanager, looked at from outside."""

import asyncio
import contextlib
import os
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec
import pytest

from concierge_backends import port, registry
from concierge_backends.prometheus import rules, webhook
from concierge_proto import errors, messages, metric, settings
from tests import peer
from tests.integration.backends import receiver
from tests.unit.backends.said import NOW, block

LOAD = metric.Metric("gauge", "load", "value")
T = TypeVar("T")


@pytest.fixture
def service() -> str:
    return f"pr{secrets.token_hex(4)}"


@pytest.fixture
def config(service: str) -> settings.Settings:
    threshold = settings.Threshold(
        name=f"High load of {service}",
        metric=str(LOAD),
        above=5,
        recovers=3,
        repeat_every=settings.Duration(2),
        action="scale_out 1",
    )
    own = settings.Prometheus(
        url=peer.need("prometheus"),
        pushgateway_url=os.environ["PEER_PUSHGATEWAY_URL"],
        alertmanager_url=os.environ["PEER_ALERTMANAGER_URL"],
    )
    return settings.Settings(
        monitoring=settings.Monitoring(backends=("prometheus",), prometheus=own),
        targets={"shop": settings.Target(kind="compose")},
        services={
            service: settings.Service(
                target="shop", max=3, fresh=settings.Duration(10), triggers=(threshold,)
            )
        },
    )


@pytest.fixture
async def backend(config: settings.Settings) -> AsyncIterator[port.System]:
    async with registry.open_backend("prometheus", config) as opened:
        yield opened


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
        yield client


def snapshot(service: str, load: messages.Value, at: int | None = None) -> messages.Snapshot:
    return messages.Snapshot(
        service=service,
        instance="one",
        time_ns=time.time_ns() if at is None else at,
        seq=1,
        boot="b1",
        blocks=(block(load=load),),
    )


def heartbeat(service: str, state: int) -> messages.Heartbeat:
    return messages.Heartbeat(service=service, instance="one", time_ns=time.time_ns(), boot="b1", state=state)


def aggregates(service: str, load: float) -> port.Aggregates:
    return port.Aggregates(service, time.time_ns(), 1, 1, (port.Aggregate(LOAD, 1, load, load, load, load),))


async def pushed(http: httpx.AsyncClient, service: str) -> list[str]:
    """Return what stands on the Pushgateway's page about a service."""
    page = (await http.get(f"{os.environ['PEER_PUSHGATEWAY_URL']}/metrics")).text
    return [line for line in page.splitlines() if f'service="{service}"' in line]


async def until(ask: Callable[[], Awaitable[T]], seconds: float = 30.0) -> T:
    """Ask until the answer is not empty."""
    async with asyncio.timeout(seconds):
        while not (found := await ask()):
            await asyncio.sleep(0.2)
        return found


async def test_a_snapshot_is_a_group_that_is_replaced(
    backend: port.System, http: httpx.AsyncClient, service: str
) -> None:
    await backend.snapshot(snapshot(service, 1.5))
    await backend.snapshot(snapshot(service, 2.5))
    lines = await pushed(http, service)
    where = f'instance="one",job="concierge",name="load",service="{service}"'
    assert f"concierge_gauge_value{{{where}}} 2.5" in lines
    assert f'concierge_state{{instance="one",job="concierge",service="{service}"}} 1' in lines
    assert not any(line.endswith("1.5") for line in lines)


async def test_a_heartbeat_leaves_the_values_alone(
    backend: port.System, http: httpx.AsyncClient, service: str
) -> None:
    await backend.snapshot(snapshot(service, 1.5))
    await backend.heartbeat(heartbeat(service, 1))
    families = {line.partition("{")[0] for line in await pushed(http, service)}
    assert {"concierge_gauge_value", "concierge_state", "concierge_heartbeat_time_seconds"} <= families


async def test_a_stop_takes_the_group_away_and_nothing_late_brings_it_back(
    backend: port.System, http: httpx.AsyncClient, service: str
) -> None:
    late = snapshot(service, 1.5)
    await backend.snapshot(late)
    await backend.heartbeat(heartbeat(service, 0))
    assert await pushed(http, service) == []
    found = await backend.snapshot(late)
    assert (found.failed, found.detail) == (1, "the instance has stopped")
    assert await pushed(http, service) == []
    await backend.snapshot(snapshot(service, 2.5))  # it was only cut off
    assert await pushed(http, service)


async def test_an_old_snapshot_is_not_passed_off_as_new(
    backend: port.System, http: httpx.AsyncClient, service: str
) -> None:
    found = await backend.snapshot(snapshot(service, 1.5, time.time_ns() - 90 * 10**9))
    assert found[:3] == (0, 1, 1)
    assert "90 s ago" in found.detail
    assert await pushed(http, service) == []


async def test_names_with_signs_arrive_whole(
    backend: port.System, http: httpx.AsyncClient, config: settings.Settings, service: str
) -> None:
    odd = 'a "b" \\ c{d="e"} ü\nf'
    sent = msgspec.structs.replace(
        snapshot(service, 1),
        blocks=(messages.Block(kind="timer", fields=("p95", "count"), names=(odd,), values=(0.5, 7)),),
    )
    assert (await backend.snapshot(sent)).processed == 2

    async def samples() -> list[Any]:
        query = {"query": f'concierge_timer_count_total{{service="{service}"}}'}
        answer = await http.get(f"{config.monitoring.prometheus.url}/api/v1/query", params=query)
        return list(answer.json()["data"]["result"])

    (sample,) = await until(samples)
    assert sample["metric"]["name"] == odd
    assert sample["metric"]["instance"] == "one"
    assert sample["value"][1] == "7"


async def test_thousands_of_values_in_one_push(backend: port.System, service: str) -> None:
    names = tuple(f"metric.{number}" for number in range(5_000))
    many = messages.Block(kind="gauge", fields=("value",), names=names, values=tuple(range(5_000)))
    sent = msgspec.structs.replace(snapshot(service, 1), blocks=(many,))
    started = time.monotonic()
    assert (await backend.snapshot(sent))[:3] == (5_000, 0, 5_000)
    assert time.monotonic() - started < 5
    await backend.heartbeat(heartbeat(service, 0))


async def test_what_pushgateway_refuses_is_permanent(backend: port.System, http: httpx.AsyncClient) -> None:
    clash = "# TYPE concierge_state counter\nconcierge_state 1\n"
    gateway = os.environ["PEER_PUSHGATEWAY_URL"]
    await backend.snapshot(snapshot("types", 1))
    try:
        with pytest.raises(errors.Permanent, match="400"):
            await backend._send("PUT", "/metrics/job/other", clash.encode())  # type: ignore[attr-defined]
    finally:
        for job in ("other", "concierge/service/types/instance/one"):
            await http.delete(f"{gateway}/metrics/job/{job}")


@contextlib.asynccontextmanager
async def ruled(config: settings.Settings, gateway: str, folder: Path) -> AsyncIterator[None]:
    """Let the peers run with our rules and our receiver, and as before afterwards."""
    own = config.monitoring.prometheus
    token = folder / "token"
    token.write_text("a-bearer-token", "utf-8")
    alerts = Path(os.environ["PEER_PROMETHEUS_RULES"]) / f"{secrets.token_hex(4)}.yml"
    receivers = Path(os.environ["PEER_ALERTMANAGER_CONFIG"])
    before = receivers.read_text("utf-8")
    alerts.write_text(rules.alerts(config), "utf-8")
    receivers.write_text(rules.receiver(f"{gateway}/webhooks/alertmanager", str(token)), "utf-8")
    try:
        await reload(own)
        yield
    finally:
        alerts.unlink()
        receivers.write_text(before, "utf-8")
        await reload(own)


async def reload(own: settings.Prometheus) -> None:
    async with httpx.AsyncClient(trust_env=False, timeout=10) as http:
        for url in (own.url, own.alertmanager_url):
            (await http.post(f"{url}/-/reload")).raise_for_status()


async def test_the_printed_rules_close_the_loop(
    backend: port.System, config: settings.Settings, service: str, tmp_path: Path
) -> None:
    """Value, alert, notification, step, hysteresis, recovery: as Prometheus and Alertmanager really do it."""
    load = 1.0

    async def keep_pushing() -> None:
        while True:
            await backend.aggregates(aggregates(service, load))
            await asyncio.sleep(0.3)

    async def told(gateway: receiver.Receiver) -> messages.Trigger:
        posted = await gateway.next()
        assert posted.headers["authorization"] == "Bearer a-bearer-token"
        (found,) = webhook.read(posted.body, "alertmanager", NOW)
        return found

    async with receiver.receiving() as gateway, ruled(config, gateway.url, tmp_path):
        pushing = asyncio.create_task(keep_pushing())
        try:
            load = 7.0
            problem = await told(gateway)
            listed = [one for one in await backend.problems("alertmanager") if one.service == service]
            load = 4.0  # under the threshold, not beyond `recovers`
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(5):
                    await gateway.posted.get()
            load = 1.0
            recovery = await told(gateway)
        finally:
            pushing.cancel()
    assert (problem.status, problem.service, problem.action) == ("problem", service, "scale_out 1")
    assert (problem.severity, problem.value) == (4, "7")
    assert recovery.status == "resolved"
    assert recovery.event_id == problem.event_id
    assert [one.event_id for one in listed] == [problem.event_id]


async def test_values_of_a_dead_forwarder_decide_nothing(
    backend: port.System, config: settings.Settings, service: str, http: httpx.AsyncClient
) -> None:
    """A Pushgateway keeps the last push for ever."""
    own = config.monitoring.prometheus
    (threshold,) = config.services[service].triggers
    query = {"query": rules.expression(service, 3, threshold)}

    async def passed() -> list[Any]:
        answer = await http.get(f"{own.url}/api/v1/query", params=query)
        return list(answer.json()["data"]["result"])

    async def silent() -> bool:
        return not await passed()

    await backend.aggregates(aggregates(service, 7.0))
    assert await until(passed, 10)
    assert await until(silent, 10)
    assert any("concierge_service_avg" in line for line in await pushed(http, service))
