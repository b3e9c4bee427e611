"""The pull twin of the heartbeat: 1, 0, or that nobody could be asked."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from concierge_cli import nats
from concierge_gateway import pings
from concierge_proto import bus, codec, errors, messages, settings, subjects
from tests.integration.gateway import house

OWN = {"authorization": "Bearer the-token-of-zabbix"}
Ask = Callable[..., Any]


def configuration(folder: Path, fresh: str = "1ms") -> settings.Settings:
    (folder / "ping").write_text("an-older-token\nthe-token-of-zabbix\n")
    return settings.parse(
        {
            "monitoring": {"zabbix": {"instance_host": "{service}.{instance}"}},
            "gateway": {"listen": "127.0.0.1:0", "ping_token_file": str(folder / "ping")},
            "targets": {"shop": {"kind": "compose", "project": "shop"}},
            "services": {"web": {"target": "shop", "max": 9, "fresh": fresh}},
        },
        "test",
    )


@pytest.fixture
async def client(link: bus.Bus, tmp_path: Path) -> AsyncIterator[house.Client]:
    async with house.serving(configuration(tmp_path), link, {}) as found:
        yield found


async def ask(client: house.Client, path: str = "web/web-1", **headers: str) -> httpx.Response:
    return await client.http.get(f"/v1/ping/{path}", headers=headers or OWN)


@contextlib.asynccontextmanager
async def courier(link: bus.Bus, state: int = 1) -> AsyncIterator[None]:
    found = messages.Ping(service="web", instance="web-1", boot="b1", state=state, time_ns=time.time_ns())
    async with link.answering(subjects.ping("web", "web-1"), lambda: codec.encode(found)[0]):
        await link.flush()
        yield


async def test_what_the_courier_says_is_the_answer(client: house.Client) -> None:
    for state in (1, 0):
        async with courier(client.link, state):
            answer = await ask(client)
        assert (answer.status_code, answer.text) == (200, str(state))
        assert answer.headers["content-type"].startswith("text/plain")


async def test_a_host_of_zabbix_is_asked_for_by_its_own_name(client: house.Client) -> None:
    async with courier(client.link):
        assert (await ask(client, "web/web.web-1")).text == "1"


async def test_nobody_answers_while_the_bus_does(client: house.Client) -> None:
    answer = await ask(client)
    assert (answer.status_code, answer.text) == (200, "0")


async def test_after_the_bus_came_back_silence_says_nothing_for_a_while(
    link: bus.Bus, tmp_path: Path
) -> None:
    async with house.serving(configuration(tmp_path, fresh="1h"), link, {}) as client:
        answer = await ask(client)
        assert answer.status_code == 503
        assert "came back a moment ago" in answer.json()["reason"]
        async with courier(link):  # who answers is there all the same
            assert (await ask(client)).text == "1"


async def test_without_the_bus_nothing_is_said(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as server:
        url = await server.enter_async_context(nats.server(tmp_path / "nats", tmp_path / "run"))
        async with bus.connect(settings.Nats(url=url), "test") as link:
            await bus.provision(link)
            async with house.serving(configuration(tmp_path), link, {}) as client:
                assert (await ask(client)).text == "0"
                await server.aclose()
                async with asyncio.timeout(30):
                    while (answer := await ask(client)).status_code == 200:
                        await asyncio.sleep(0.02)
    assert answer.status_code == 503
    assert "nobody can be asked" in answer.json()["reason"]


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"x": "y"}, "header authorization is missing"),
        ({"authorization": "Bearer wrong"}, "the token is none of the active ones"),
        ({"authorization": "Basic dTpw"}, "is no bearer token"),
    ],
)
async def test_strangers_learn_nothing(client: house.Client, headers: dict[str, str], reason: str) -> None:
    async with courier(client.link):
        answer = await ask(client, **headers)
    assert answer.status_code == 401
    assert reason in answer.json()["reason"]


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        ("shop/web-1", 404, "no service 'shop': it needs a [services.NAME]"),
        ("web/a%20b", 400, "instance name 'a b'"),
        ("web/%3E", 400, "instance name '>'"),
        ("web/*", 400, "instance name '*'"),
    ],
)
async def test_names_that_cannot_be(client: house.Client, path: str, status: int, reason: str) -> None:
    answer = await ask(client, path)
    assert answer.status_code == status
    assert reason in answer.json()["reason"]


async def test_without_a_token_file_nobody_may(link: bus.Bus, serve: house.Serve) -> None:
    async with serve(link) as client:
        answer = await ask(client)
    assert answer.status_code == 404
    assert answer.json()["reason"] == "nobody may ping: set gateway.ping_token_file"


async def test_more_than_its_rate_is_asked_to_come_again(
    link: bus.Bus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pings, "RATE", 0.5)
    async with house.serving(configuration(tmp_path), link, {}) as client, courier(link):
        assert (await ask(client)).status_code == 200
        answer = await ask(client)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "2")


async def test_a_crowd_is_turned_away_before_it_reaches_the_bus(
    client: house.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pings, "CROWD", 0)
    assert (await ask(client)).status_code == 503


async def test_a_token_file_that_cannot_be_read(link: bus.Bus, tmp_path: Path, serve: house.Serve) -> None:
    with pytest.raises(errors.Permanent, match=r"gateway\.ping_token_file: cannot read /none"):
        async with serve(link, ping_token_file="/none"):
            pytest.fail("it started")
