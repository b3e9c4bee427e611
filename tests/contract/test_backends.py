"""One contract for every monitoring system: what it says it took, it took, and twice does no harm."""

import asyncio
import math
import os
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

from concierge_backends import port, registry
from concierge_backends.zabbix import api, provision
from concierge_proto import errors, messages, metric, settings
from tests import peer

T = TypeVar("T")
NOBODY = "127.0.0.1:1"
"""A port on which nothing listens."""
LOAD = metric.Metric("gauge", "load", "value")
NAMES = list(registry.BACKENDS)


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def service() -> str:
    """A service that no other test knows: servers are shared."""
    return f"ct{secrets.token_hex(4)}"


@pytest.fixture
async def config(name: str, service: str, tmp_path: Path) -> settings.Settings:
    """Settings of a system that is there and, where it must be, set up."""
    threshold = settings.Threshold(
        name=f"High load of {service}", metric=str(LOAD), above=5, action="scale_out 1"
    )
    found = settings.Settings(
        targets={"shop": settings.Target(kind="compose")},
        services={service: settings.Service(target="shop", max=3, triggers=(threshold,))},
    )
    if name == "prometheus":
        return _monitored(found, prometheus=_prometheus())
    if name == "zabbix":
        return await _zabbix(found, tmp_path)
    return found


def _monitored(config: settings.Settings, **systems: Any) -> settings.Settings:
    return msgspec.structs.replace(config, monitoring=settings.Monitoring(**systems))


def _prometheus() -> settings.Prometheus:
    return settings.Prometheus(
        url=peer.need("prometheus"),
        pushgateway_url=os.environ["PEER_PUSHGATEWAY_URL"],
        alertmanager_url=os.environ["PEER_ALERTMANAGER_URL"],
    )


async def _zabbix(config: settings.Settings, folder: Path) -> settings.Settings:
    url = peer.need("zabbix")
    user, password = os.environ["PEER_ZABBIX_USER"], os.environ["PEER_ZABBIX_PASSWORD"]
    own = settings.Zabbix(
        servers=(os.environ["PEER_ZABBIX_TRAPPER"],),
        api_url=url,
        api_token_file=str(folder / "token"),
    )
    config = _monitored(config, zabbix=own)
    async with api.connect(url, api.Login(user=user, password=password)) as door:
        (me,) = await door.call("user.get", {"filter": {"username": user}})
        made = await door.call("token.create", {"name": secrets.token_hex(4), "userid": me["userid"]})
        (token,) = await door.call("token.generate", made["tokenids"])
    (folder / "token").write_text(token["token"], "utf-8")
    await provision.apply(
        config,
        url=url,
        user=user,
        password=password,
        gateway_url=f"http://{NOBODY}",
        secret=secrets.token_hex(16),
    )
    return config


@pytest.fixture
async def backend(name: str, config: settings.Settings) -> AsyncIterator[port.System]:
    async with registry.open_backend(
        name, config, webhook_secret="secret", gateway_url=f"http://{NOBODY}"
    ) as opened:
        yield opened


@pytest.fixture
async def deaf(name: str, service: str) -> AsyncIterator[port.System]:
    """The same kind of system, where nobody is."""
    away = _monitored(
        settings.Settings(),
        prometheus=settings.Prometheus(
            pushgateway_url=f"http://{NOBODY}", alertmanager_url=f"http://{NOBODY}"
        ),
        zabbix=settings.Zabbix(servers=(NOBODY,)),
    )
    async with registry.open_backend(name, away) as opened:
        yield opened


def snapshot(service: str, values: dict[str, messages.Value | None], seq: int = 1) -> messages.Snapshot:
    block = messages.Block(
        kind="gauge", fields=("value",), names=tuple(values), values=tuple(values.values()), source="app"
    )
    return messages.Snapshot(
        service=service, instance=f"{service}-1", time_ns=time.time_ns(), seq=seq, boot="b1", blocks=(block,)
    )


def heartbeat(service: str, state: int = 1) -> messages.Heartbeat:
    reason = "" if state else "exited"
    return messages.Heartbeat(
        service=service,
        instance=f"{service}-1",
        time_ns=time.time_ns(),
        boot="b1",
        state=state,
        reason=reason,
        exit_code=None if state else 0,
    )


def discovery(service: str, *names: str) -> messages.Discovery:
    return messages.Discovery(
        service=service, instance=f"{service}-1", time_ns=time.time_ns(), boot="b1", kinds={"gauge": names}
    )


async def patiently(call: Callable[[], Awaitable[T]]) -> T:
    """Do as the forwarder does: what is Temporary comes again."""
    async with asyncio.timeout(90):
        while True:
            try:
                return await call()
            except errors.Temporary as error:
                await asyncio.sleep(error.delay)


async def introduced(backend: port.System, service: str) -> None:
    """Say who is there and what it measures, as a courier does first."""
    await patiently(lambda: backend.heartbeat(heartbeat(service)))
    await patiently(lambda: backend.discovery(discovery(service, "load", "users")))


async def taken(backend: port.System, service: str) -> tuple[messages.Snapshot, port.Delivered]:
    """Send snapshots until one is taken whole: a system may need a moment to make a place for new names."""
    async with asyncio.timeout(30):
        for seq in range(1, 1000):
            sent = snapshot(service, {"load": 1.5, "users": 3}, seq)
            found = await patiently(partial(backend.snapshot, sent))
            assert found.processed + found.failed == found.total == 2
            if found.failed == 0:
                return sent, found
            assert found.detail
            await asyncio.sleep(0.2)
    raise AssertionError


async def test_has_the_name_it_is_opened_by(backend: port.System, name: str) -> None:
    assert backend.name == name


async def test_every_value_is_counted(backend: port.System, service: str) -> None:
    await introduced(backend, service)
    _, found = await taken(backend, service)
    assert found[:3] == (2, 0, 2)


async def test_the_same_snapshot_twice_does_no_harm(backend: port.System, service: str) -> None:
    await introduced(backend, service)
    sent, first = await taken(backend, service)
    assert await backend.snapshot(sent) == first


async def test_values_that_are_no_numbers_lose_none_that_are(backend: port.System, service: str) -> None:
    await introduced(backend, service)
    await taken(backend, service)
    found = await backend.snapshot(
        snapshot(service, {"load": 1.5, "users": math.nan, "odd": "text", "none": None}, 1000)
    )
    assert found.processed >= 1
    assert found.processed + found.failed == found.total == 3


async def test_an_empty_snapshot_is_a_snapshot(backend: port.System, service: str) -> None:
    await introduced(backend, service)
    assert (await backend.snapshot(snapshot(service, {})))[:3] == (0, 0, 0)


async def test_discovery_and_heartbeat_may_come_again(backend: port.System, service: str) -> None:
    for _ in range(2):
        await introduced(backend, service)


async def test_a_stop_may_come_twice_and_a_late_snapshot_after_it(backend: port.System, service: str) -> None:
    await introduced(backend, service)
    late = snapshot(service, {"load": 1.5})
    for _ in range(2):
        await backend.heartbeat(heartbeat(service, 0))
    found = await backend.snapshot(late)
    assert found.processed + found.failed == found.total == 1


async def test_a_stop_of_one_that_was_never_heard_of(backend: port.System, service: str) -> None:
    await backend.heartbeat(heartbeat(service, 0))


async def test_aggregates(backend: port.System, service: str) -> None:
    one = port.Aggregate(LOAD, 2, 1.5, 3.0, 1.0, 2.0)
    await backend.aggregates(port.Aggregates(service, time.time_ns(), 2, 1, (one,)))
    await backend.aggregates(port.Aggregates(service, time.time_ns(), 0, 0, ()))


def report(service: str) -> port.Report:
    """A change that an operator asked for."""
    now = datetime.now(UTC)
    outcome = messages.Outcome(
        id=secrets.token_hex(8),
        service=service,
        target="shop",
        result="converged",
        before=1,
        wanted=2,
        after=2,
        duration_ms=400,
        command_id="",
        correlation_id="c",
        started_at=now,
        at=now,
    )
    return port.Report(outcome)


async def test_what_was_done_may_be_told_twice(backend: port.System, service: str) -> None:
    told = report(service)
    for _ in range(2):
        await backend.report(told)


async def test_nothing_is_wrong_with_a_service_that_is_new(backend: port.System, service: str) -> None:
    found = await backend.problems("source")
    assert [one for one in found if one.service == service] == []
    assert all(one.status == "problem" and one.source == "source" for one in found)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "embedded"], indirect=True)
class TestAway:
    """The embedded one is never away."""

    async def test_a_snapshot_may_come_again(self, deaf: port.System, service: str) -> None:
        with pytest.raises(errors.Temporary, match=r"127\.0\.0\.1:1"):
            await deaf.snapshot(snapshot(service, {"load": 1.5}))

    async def test_a_heartbeat_may_come_again(self, deaf: port.System, service: str) -> None:
        for state in (1, 0):
            with pytest.raises(errors.Temporary):
                await deaf.heartbeat(heartbeat(service, state))

    async def test_aggregates_may_come_again(self, deaf: port.System, service: str) -> None:
        with pytest.raises(errors.Temporary):
            await deaf.aggregates(port.Aggregates(service, time.time_ns(), 1, 1, ()))
