"""`concierge explain` over a real bus: a service, a command, a webhook."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from concierge_proto import bus, messages, subjects
from tests.integration.cli.desk import Desk
from tests.integration.scheduler import stage

CONFIG = """\
[nats]
url = "{url}"

[targets.shop]
kind = "compose"
project = "shop"

[services.web]
target = "shop"
max = 5
heard = false
"""


@pytest.fixture
def desk(tmp_path: Path, nats_url: str) -> Desk:
    return Desk(tmp_path, CONFIG.format(url=nats_url))


async def webhook(link: bus.Bus, *commands: str) -> None:
    one = messages.Trigger(
        id="t1",
        source="zabbix",
        event_id="4711",
        status="problem",
        service="web",
        name="High load",
        action="scale_out 1",
        verdict="command" if commands else "no_rule",
        detail="" if commands else "no rule of web matches",
        received_at=datetime.now(UTC),
        correlation_id="incident",
        commands=commands,
    )
    await link.publish(link.pack(subjects.event("web", "trigger"), one, id="t1", correlation_id="incident"))


async def test_a_webhook_and_its_command_that_cools_down(link: bus.Bus, desk: Desk) -> None:
    services = {"web": stage.policy(cooldown_out=600.0)}
    async with stage.hearing(link) as ear, stage.keeping(link, stage.place(web=1), services):
        await stage.send(link, stage.command(id="c0", manual=True, problem=""))
        await ear.until(lambda: ear.outcomes)
        await webhook(link, "c1")
        late = await stage.send(link, stage.command(id="c1", problem="zabbix/4711"))
        await ear.until(lambda: ear.reasons(late) == [("wait", "cooldown")])
        story = (await desk.say("explain", "zabbix/4711", "--json")).json[0]
        told = await desk.say("explain", "zabbix/4711")
        page = await desk.say("explain", "web")
        command = (await desk.say("explain", "c0", "--json")).json[0]
    (decision,) = story["decisions"]
    assert [gate["name"] for gate in decision["gates"] if gate["shut"]] == ["cooldown"]
    assert "of 600 s left after the last change out  ◀ decided" in told.out
    assert "'High load' by zabbix" in told.out
    assert "waits: scale_out 1 [c1] → wait, cooldown" in page.out
    assert [one["result"] for one in command["outcomes"]] == ["converged"]


async def test_a_service_without_a_scheduler(link: bus.Bus, desk: Desk) -> None:
    await webhook(link)
    page = await desk.say("explain", "web")
    assert page.code == 0, page.err
    assert "no scheduler holds it" in page.out
    assert "no command, no_rule (no rule of web matches)" in page.out
    assert "away             SHUT" in page.out


async def test_the_holder_of_one_target_is_not_that_of_another(link: bus.Bus, desk: Desk) -> None:
    file = desk.folder / "concierge.toml"
    more = '[targets.other]\nkind = "compose"\nproject = "other"\n[services.api]\ntarget = "other"\nmax = 2\n'
    file.write_text(file.read_text() + more)
    async with stage.keeping(link, stage.place(web=1), {"web": stage.policy()}):
        served, waits = await desk.say("explain", "web"), await desk.say("explain", "api")
        status = await desk.say("status", "--json")
    assert "target shop (compose): a scheduler holds it" in served.out
    assert "target other (compose): no scheduler holds it" in waits.out
    assert {row["service"]: row["scheduler"] for row in status.json} == {"web": True, "api": False}


async def test_a_command_that_nobody_took(link: bus.Bus, desk: Desk) -> None:
    await webhook(link, "c1")
    told = await desk.say("explain", "4711")
    assert "command c1: no decision yet" in told.out


async def test_what_nobody_knows(link: bus.Bus, desk: Desk) -> None:
    told = await desk.say("explain", "gone")
    assert told.code != 0
    assert "gone is no service of" in told.err


@pytest.mark.usefixtures("link")
async def test_an_order_without_an_outcome_in_time_has_a_code_of_its_own(desk: Desk) -> None:
    """No scheduler runs: the order is stored, and a script can tell that from a refusal."""
    said = await desk.say("scale", "web", "+1", "--timeout", "100ms")
    assert said.code == 3, said.err
    assert "no outcome within 100ms" in said.err
