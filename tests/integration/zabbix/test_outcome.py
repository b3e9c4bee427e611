"""The whole way on a real server: a value, its problem, the webhook, the change, and the comment on the problem."""

import secrets
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from concierge_backends import port
from concierge_backends.zabbix import api, backend, comments, names, outcomes, provision
from concierge_backends.zabbix.provision import people
from concierge_cli import house
from concierge_proto import errors, messages, settings
from tests.integration.zabbix.conftest import SECRET, Apply, Gateway, Server, Settle, Until
from tests.integration.zabbix.test_loop import load, read, stored

TEXT, UNSIGNED, FLOAT = 4, 3, 0
SLEEPING = {"command": [sys.executable, "-c", "import time; time.sleep(1000)"], "interval": "1s"}


@pytest.fixture
async def shop(
    config: settings.Settings, service: str, server: Server, door: api.Api, settle: Settle, tmp_path: Path
) -> settings.Settings:
    """A service of real processes under couriers that wants two instances and starts with one, set up.

    Zabbix reads its actions after its items: a problem in between calls nobody, and is found a minute later. So two
    readings must have begun before there are values.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        listen = f"127.0.0.1:{free.getsockname()[1]}"
    (tmp_path / "secret").write_text(SECRET)
    tree = {
        "gateway": {
            "listen": listen,
            "sources": {"zabbix": {"kind": "zabbix", "secret_file": str(tmp_path / "secret")}},
        },
        "targets": {"shop": {"kind": "process"}},
        "services": {
            service: {
                "target": "shop",
                "max": 2,
                "settle": "0.1s",
                "cooldown_out": "0s",
                "process": SLEEPING,
                "triggers": [
                    {"name": f"Few {service}", "metric": "running", "below": 2, "action": "scale_out 1"}
                ],
            }
        },
    }
    found = msgspec.structs.replace(settings.parse(tree, "test"), monitoring=config.monitoring)
    await provision.apply(
        found,
        user=server.login.user,
        password=server.login.password,
        gateway_url=f"http://{listen}",
        secret=SECRET,
    )
    await become_ours(door, found)
    for _ in range(2):
        await settle(names.service_host(found, service))
    return found


async def become_ours(door: api.Api, config: settings.Settings) -> None:
    """Give the configuration the token of the user who receives our webhooks: it may read and comment."""
    (ours,) = await door.call("user.get", {"filter": {"username": [people.USER]}})
    made = await door.call("token.create", {"name": secrets.token_hex(4), "userid": ours["userid"]})
    (generated,) = await door.call("token.generate", made["tokenids"])
    Path(config.monitoring.zabbix.api_token_file).write_text(generated["token"])


async def comments_on(door: api.Api, trigger: str) -> list[str]:
    select = "selectAcknowledges" if door.seven else "select_acknowledges"
    found = await door.call("trigger.get", {"filter": {"description": [trigger]}, "output": ["triggerid"]})
    events = await door.call(
        "event.get",
        {"objectids": [one["triggerid"] for one in found], "value": "1", select: ["message"]},
    )
    return [one["message"] for event in events for one in event["acknowledges"]]


async def test_what_was_done_is_written_on_the_problem_that_asked_for_it(
    shop: settings.Settings, service: str, door: api.Api, until: Until, tmp_path: Path
) -> None:
    host = names.service_host(shop, service)
    async with house.open_house(shop, tmp_path / "state"):
        (said,) = await until(lambda: comments_on(door, f"Few {service}"))
        assert said.startswith(f"Concierge: {service} on shop: converged: 1 → 2 in ")
        assert f"came: {service}-2; zabbix asked for scale_out 1 [concierge outcome " in said
        assert " s after the webhook; " in said
        (reaction,) = await until(lambda: stored(door, host, outcomes.REACTION, FLOAT))
        assert 0 < float(reaction["value"]) < 60
        words = await until(lambda: stored(door, host, outcomes.OUTCOME, TEXT))
        assert words[-1]["value"].startswith("converged: ")
        wanted = await until(lambda: stored(door, host, outcomes.WANTED, UNSIGNED))
        assert {row["value"] for row in wanted} >= {"2"}


@pytest.fixture
def report() -> Any:
    """A change that a problem of this service asked for."""

    def made(service: str, event_id: str, result: messages.Result = "converged") -> port.Report:
        now = datetime.now(UTC)
        command = messages.Command(
            id="c",
            service=service,
            target="shop",
            verb="scale_out",
            amount=1,
            problem=f"zabbix/{event_id}",
            correlation_id="i",
            owner="zabbix",
            issued_at=now,
            expires_at=now,
        )
        outcome = messages.Outcome(
            id=secrets.token_hex(8),
            service=service,
            target="shop",
            result=result,
            before=1,
            wanted=2,
            after=2,
            duration_ms=400,
            command_id="c",
            correlation_id="i",
            started_at=now,
            at=now,
        )
        return port.Report(outcome, command)

    return made


async def test_a_comment_is_written_once_and_calls_nobody(
    ready: Apply,
    config: settings.Settings,
    service: str,
    gateway: Gateway,
    door: api.Api,
    report: Any,
) -> None:
    await ready(gateway.url)
    await become_ours(door, config)
    async with backend.open(config) as system:
        await system.aggregates(load(service, 5.0))
        problem = read(await gateway.next(service))
        first, second = report(service, problem.event_id), report(service, problem.event_id, "timed_out")
        for told in (first, first, second, first):
            await system.report(told)
        texts = [found.text for one in (first, second) if (found := comments.comment(one))]
        assert sorted(await comments_on(door, f"High load of {service}")) == sorted(texts)
        await system.aggregates(load(service, 1.0))
        # Zabbix spares the recipient its own comments: the next that comes is the recovery.
        recovery = read(await gateway.next(service))
        assert (recovery.status, recovery.verdict) == ("resolved", "")
        await system.report(report(service, problem.event_id, "partial"))  # a late one, on a closed problem
        assert len(await comments_on(door, f"High load of {service}")) == 3


async def test_an_event_that_is_gone_is_no_reason_to_stop(
    ready: Apply, config: settings.Settings, service: str, report: Any, caplog: pytest.LogCaptureFixture
) -> None:
    await ready()
    async with backend.open(config) as system:
        await system.report(report(service, "999999999"))
    assert "event 999999999: no comment: it is gone, or the token's user may not read its host" in caplog.text


async def test_a_comment_waits_for_a_new_token_where_the_old_was_revoked(
    ready: Apply, config: settings.Settings, service: str, gateway: Gateway, door: api.Api, report: Any
) -> None:
    await ready(gateway.url)
    await become_ours(door, config)
    async with backend.open(config) as system:
        await system.aggregates(load(service, 5.0))
        problem = read(await gateway.next(service))
        assert await system.problems("zabbix")
        (ours,) = await door.call("user.get", {"filter": {"username": [people.USER]}})
        old = await door.call("token.get", {"userids": [ours["userid"]]})
        await door.call("token.delete", [one["tokenid"] for one in old])
        told = report(service, problem.event_id)
        with pytest.raises(errors.Temporary, match="write a new token"):
            await system.report(told)
        await become_ours(door, config)
        await system.report(told)
    assert len(await comments_on(door, f"High load of {service}")) == 1
