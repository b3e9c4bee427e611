"""`concierge` from outside: exit codes, JSON, and that Ctrl-C leaves nothing."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from concierge_proto import bus, identity, messages, subjects
from tests.integration.cli.desk import CONFIG, Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
async def running(desk: Desk) -> AsyncIterator[Desk]:
    async with desk.up():
        yield desk


async def test_scale_status_events_incident(running: Desk) -> None:
    """One service, by hand: two more, one less, beyond the bounds, and the story of each."""
    out = await running.say("scale", "web", "+1", "--reason", "a sale", "--json")
    assert out.code == 0, out.err
    # The first instance may still be settling: then the command waits, and says so.
    assert [(event["kind"], event.get("reason") or event["result"]) for event in out.json[-2:]] == [
        ("decision", "ok"),
        ("outcome", "converged"),
    ]

    status = await running.say("status", "--json")
    assert status.code == 0, status.err
    assert status.json[0]["heard"] == ["web-1", "web-2"]
    assert status.json[0]["scheduler"] is True

    beyond = await running.say("scale", "web", "9", "--json")
    assert beyond.json[-1]["after"] == 3
    assert beyond.json[0]["reason"] == "at_max"

    fewer = await running.say("scale", "web", "-2")
    assert fewer.code == 0, fewer.err
    assert "3 → 1 converged" in fewer.out

    nothing = await running.say("scale", "web", "1", "--json")
    assert (nothing.code, nothing.json[-1]["verdict"]) == (0, "nothing")

    events = await running.say("events", "--kind", "outcome", "--service", "web", "--json")
    assert [(e["before"], e["after"]) for e in events.json] == [(0, 1), (1, 2), (2, 3), (3, 1)]

    ours = out.json[0]["correlation_id"]
    incident = await running.say("incident", ours[:12], "--json")
    assert [event["kind"] for event in incident.json[0]["events"][-2:]] == ["decision", "outcome"]
    told = await running.say("incident", ours)
    assert "1 → 2 converged" in told.out
    assert "a sale" in str(incident.json)


async def test_without_a_file_the_address_of_the_bus_is_enough_to_look(
    tmp_path: Path, link: bus.Bus, nats_url: str
) -> None:
    bare = Desk(tmp_path, config="")
    lost = await bare.say("events")
    assert (lost.code, "CONCIERGE_NATS__URL is enough" in lost.err) == (2, True), lost.err
    story = identity.mint()
    control = messages.Control(correlation_id=story, service="web", what="held", at=datetime.now(UTC))
    await link.publish(link.pack(subjects.event("web", "control"), control, correlation_id=story))
    bare.env["CONCIERGE_NATS__URL"] = nats_url
    told = await bare.say("incident", story[:12])
    assert (told.code, "web: held" in told.out) == (0, True), told.err
    up = await bare.say("up")
    assert (up.code, "no configuration" in up.err) == (2, True), up.err


async def test_hold_and_release(running: Desk) -> None:
    held = await running.say("hold", "web", "--for", "10m", "--reason", "stock-taking", "--json")
    assert (held.code, held.json[-1]["reason"]) == (0, "hold_set"), held.err
    status = await running.say("status", "--json")
    assert "stock-taking" in str(status.json[0]["state"])
    by_hand = await running.say("scale", "web", "+1")
    assert by_hand.code == 0, by_hand.err
    released = await running.say("release", "web", "--json")
    assert (released.code, released.json[-1]["reason"]) == (0, "hold_lifted")


async def test_restart_and_what_is_refused(running: Desk) -> None:
    restarted = await running.say("restart", "web", "--reason", "leaks", "--json")
    assert (restarted.code, restarted.json[-1]["verb"]) == (0, "restart"), restarted.err
    assert restarted.json[-1]["detail"] == "web-1"
    nobody = await running.say("restart", "web", "--instance", "web-9")
    assert (nobody.code, "web-9 does not run: there is web-1" in nobody.out) == (1, True), nobody.out
    unbounded = await running.say("resize", "web", "--cpus", "2", "--json")
    assert (unbounded.code, unbounded.json[-1]["reason"]) == (1, "no_bounds")
    odd = await running.say("signal", "web", "STOP")
    assert (odd.code, "signal needs one of HUP" in odd.err) == (2, True), odd.err


async def test_ctrl_c_leaves_nothing(desk: Desk) -> None:
    async with desk.up():
        assert (await desk.say("scale", "web", "2")).code == 0
        assert len(desk.pids()) >= 5  # up, nats-server, and two couriers with a child each
    assert desk.pids() == []


async def test_the_embedded_server_dies_with_a_killed_process(desk: Desk) -> None:
    async with desk.up() as child:
        assert (await desk.say("scale", "web", "1")).code == 0  # heard: its courier knows only this server
        servers = [pid for pid in desk.pids() if b"nats-server" in command(pid)]
        assert len(servers) == 1
        child.kill()
        await child.wait()
        async with asyncio.timeout(10):
            while command(servers[0]):
                await asyncio.sleep(0.05)
    async with desk.up():
        # It stands by until the dead one's lease is over, then finds its instances, and ends them.
        assert (await desk.say("scale", "web", "2")).code == 0
    assert desk.pids() == []


def command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


async def test_only_one_at_a_time(running: Desk) -> None:
    second = await running.say("up")
    assert second.code == 2
    assert "already runs" in second.err


async def test_what_was_done_outlives_a_restart(desk: Desk) -> None:
    async with desk.up():
        await desk.say("scale", "web", "2")
    async with desk.up():
        events = await desk.say("events", "--kind", "outcome", "--json")
        assert (1, 2) in [(event["before"], event["after"]) for event in events.json]


async def test_nothing_runs(desk: Desk) -> None:
    """Every command that needs the bus says what is missing."""
    for words in (["status"], ["events"], ["incident", "last"], ["scale", "web", "1"]):
        said = await desk.say(*words)
        assert said.code == 2
        assert "`concierge up` does not run" in said.err
        assert "Traceback" not in said.err


async def test_no_outcome_without_a_scheduler(desk: Desk, nats_url: str) -> None:
    desk.env["CONCIERGE_NATS__URL"] = nats_url
    said = await desk.say("scale", "web", "1", "--timeout", "1s")
    assert said.code != 0
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("config", "says"),
    [
        (CONFIG + "\n[nats]\nurll = 'x'\n", "unknown key `urll`"),
        (CONFIG.replace("max = 3", 'max = "three"'), "services.web.max"),
        (CONFIG.replace("services.web", "services.Web"), "service name 'Web'"),
        (CONFIG.replace('"1s"', '"one"'), "is no duration"),
        (CONFIG.replace('kind = "process"', 'kind = "k8s"'), "targets.local.kind"),
        (CONFIG.replace('target = "local"', 'target = "remote"'), "there is no [targets.remote]"),
        (
            CONFIG + '[gateway.sources.z]\nkind = "zabbix"\nsecret_file = "/nowhere"\n',
            "gateway.sources.z.secret_file",
        ),
        (CONFIG + '[[services.web.rules]]\naction = "explode"\n', "services.web.rules[0]"),
        (CONFIG + "[monitoring]\nbackends = ['nagios']\n", "no backend 'nagios'"),
        ("nats = [", "concierge.toml"),
    ],
)
async def test_a_mistake_is_named_with_its_path(tmp_path: Path, config: str, says: str) -> None:
    """`up` and `config check` say the same, start nothing, and end with 2."""
    desk = Desk(tmp_path, config)
    for words in (["config", "check"], ["up"]):
        said = await desk.say(*words)
        assert said.code == 2, said
        assert says in said.err
        assert "Traceback" not in said.err
        assert not (tmp_path / "state").exists() or not desk.pids()


async def test_init_check(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    (tmp_path / "compose.yaml").write_text("services:\n  web:\n    image: shop\n", "utf-8")
    refused = await desk.say("init")
    assert refused.code == 2
    assert "--force" in refused.err
    said = await desk.say("init", "--force", "--zabbix", "https://zabbix.example/")
    assert said.code == 0, said.err
    checked = await desk.say("config", "check", "--json")
    assert checked.json[0]["ok"] is True
    assert checked.json[0]["services"] == ["web"]


async def test_help_teaches(desk: Desk) -> None:
    asked = [
        desk.say(*words, "--help") for words in ([], ["scale"], ["events"], ["demo"], ["zabbix", "apply"])
    ]
    for said in await asyncio.gather(*asked):
        assert said.code == 0
        assert "concierge" in said.out


async def test_completion_is_there(desk: Desk) -> None:
    said = await desk.say("--show-completion", "bash")
    assert said.code == 0, said.err
    assert "_concierge_completion" in said.out
