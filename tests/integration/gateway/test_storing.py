"""Stored, or not accepted: repeats, crashes, a bus that is full or away."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from concierge_backends import registry
from concierge_cli import nats
from concierge_gateway import publish, rules
from concierge_proto import bus, messages, settings, subjects
from tests.integration.gateway import house
from tests.peers import process

PROBLEM = {"event_id": "e-1", "status": "problem", "service": "web", "action": "scale_out 1"}


async def test_a_hundred_at_once_are_one_command(client: house.Client) -> None:
    answers = await asyncio.gather(*(client.say("own", **PROBLEM) for _ in range(100)))
    assert {answer.status_code for answer in answers} == {202}
    decisions = [answer.json()["decision"] for answer in answers]
    assert (decisions.count("command"), decisions.count("duplicate")) == (1, 99)
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(await client.commands()) == 1
    assert len(await client.events()) == 1


async def test_a_repeat_carries_the_first_expiry(client: house.Client) -> None:
    first = (await client.say("own", **PROBLEM)).json()
    (stored,) = await client.queued()
    await forget(client.link)
    second = (await client.say("own", **PROBLEM)).json()
    (again,) = await client.queued()
    assert (second["decision"], second["id"]) == ("duplicate", first["id"])
    assert second["reason"] == "stored before, as command: the trigger says scale_out 1"
    assert (again.data, again.headers) == (stored.data, stored.headers)
    (command,) = await client.commands()
    assert command.expires_at - command.issued_at == timedelta(minutes=5)


async def forget(link: bus.Bus) -> None:
    """Take every command off, and let the stream forget their ids, as it does after ten minutes."""
    config = (await link._js.stream_info("COMMANDS")).config
    await link._js.purge_stream("COMMANDS")
    await link._js.update_stream(config.evolve(duplicate_window=0.1))
    await asyncio.sleep(0.3)  # the server's own clock: nothing tells when it has passed


async def test_a_crash_after_the_claim_is_healed_by_the_repeat(client: house.Client, tmp_path: Path) -> None:
    body = msgspec.json.encode(PROBLEM)
    (trigger,) = registry.webhook("generic")(body, "own", datetime.now(UTC))
    judged = rules.judge(trigger, house.configuration(tmp_path), rules.Past(), trigger.received_at)
    await publish.Shelf(client.link)._claim(trigger.id, publish._claim(client.link, judged))
    assert await client.commands() == []
    answer = await client.say("own", **PROBLEM)
    assert answer.json()["decision"] == "duplicate"
    assert [command.issued_at for command in await client.commands()] == [trigger.received_at]
    assert [event.id for event in await client.events()] == [trigger.id]


async def test_a_full_queue_is_not_accepted_and_the_repeat_is(client: house.Client) -> None:
    subject = subjects.command("shop", "web")
    for number in range(100):
        await client.link.publish(
            client.link.pack(subject, messages.Control(service="web", what=str(number), at=datetime.now(UTC)))
        )
    answer = await client.say("own", **PROBLEM)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert "maximum messages per subject" in answer.json()["reason"]
    await client.link._js.purge_stream("COMMANDS")
    again = await client.say("own", **PROBLEM)
    assert (again.status_code, again.json()["decision"]) == (202, "duplicate")
    assert len(await client.commands()) == 1


async def test_an_alert_too_large_for_the_bus_is_refused_and_the_link_lives(
    link: bus.Bus, serve: house.Serve
) -> None:
    async with serve(link, max_body="16m") as client:
        body = {**PROBLEM, "tags": {"huge": "x" * (link.max_payload - 200)}}
        answer = await client.say("own", **body)
        assert answer.status_code == 413
        assert "max_payload" in answer.json()["reason"]
        assert (await client.say("own", **PROBLEM)).status_code == 202


async def test_nats_goes_away_and_comes_back(tmp_path: Path) -> None:
    number = process.free_port()
    where = settings.Nats(url=f"nats://127.0.0.1:{number}")
    async with nats.server(tmp_path / "nats", tmp_path / "run", port=number):
        link = await (opened := bus.connect(where, "gateway")).__aenter__()
        await bus.provision(link)
        serving = house.serving(house.configuration(tmp_path), link, {})
        client = await serving.__aenter__()
        before = await client.say("own", **PROBLEM)
        assert before.status_code == 202
    try:
        async with asyncio.timeout(10):
            while link.connected:
                await asyncio.sleep(0.01)
        away = await client.say("own", **{**PROBLEM, "event_id": "e-2"})
        assert away.status_code == 503
        assert away.json() == {
            "decision": "unavailable",
            "reason": "not stored: NATS is away: nothing can be stored",
        }
        assert away.headers["retry-after"]
        assert (await client.http.get("/healthz")).status_code == 200
        assert (await client.http.get("/readyz")).text == "NATS is away\n"
        async with nats.server(tmp_path / "nats", tmp_path / "run", port=number):
            await house.ready(client.http)
            again = await client.say("own", **PROBLEM)
            assert (again.json()["decision"], again.json()["id"]) == ("duplicate", before.json()["id"])
            later = await client.say("own", **{**PROBLEM, "event_id": "e-2"})
            assert (later.status_code, later.json()["decision"]) == (202, "command")
            assert sorted(command.problem for command in await client.commands()) == ["own/e-1", "own/e-2"]
    finally:
        await serving.__aexit__(None, None, None)
        await opened.__aexit__(None, None, None)


@pytest.mark.parametrize("missing", ["COMMANDS", "EVENTS", "KV_concierge_seen"])
async def test_a_missing_stream_is_never_an_acceptance(client: house.Client, missing: str) -> None:
    await client.link._js.delete_stream(missing)
    answer = await client.say("own", **PROBLEM)
    assert (answer.status_code, answer.json()["decision"]) == (503, "unavailable")
    await bus.provision(client.link)
    assert (await client.say("own", **PROBLEM)).status_code == 202
    assert len(await client.commands()) == len(await client.events()) == 1
