"""The whole courier: a real application's endpoint, a real child, a real nats-server."""

import asyncio
import itertools
import signal
import time
from contextlib import aclosing
from pathlib import Path

import msgspec
import pytest

from concierge_courier import VERSION
from concierge_courier.sources import dropwizard
from concierge_proto import bus, messages, subjects
from tests.integration.courier import endpoint, scene

BODY = (Path(__file__).parents[2] / "unit/courier/dropwizard4.json").read_bytes()
FOREVER = ("--", "sleep", "60")


def source(served: endpoint.Endpoint) -> tuple[str, str]:
    return "--source", f"dropwizard={served.url}"


async def test_a_snapshot_arrives_as_it_was_read(link: bus.Bus, run: scene.Run) -> None:
    before = time.time_ns()
    with endpoint.serving(endpoint.says(BODY)) as served:
        async with run(*source(served), *FOREVER), aclosing(scene.snapshots(link)) as stored:
            snapshot = await scene.first(stored, lambda found: found.blocks[:-1])
    assert snapshot.blocks[:-1] == dropwizard.decode(BODY, "dropwizard").blocks
    assert (snapshot.service, snapshot.instance, snapshot.interval_s) == ("web", "web-1", 0.1)
    assert before < snapshot.time_ns < time.time_ns()
    assert [report.name for report in snapshot.sources] == ["dropwizard"]
    assert snapshot.sources[0].elapsed_ms >= 1
    found = scene.facts(snapshot)
    assert found["courier.collect"] == snapshot.sources[0].elapsed_ms
    assert (found["courier.skipped"], found["courier.dropped"], found["courier.unusable"]) == (0, 0, 3)


async def test_several_sources_share_one_timestamp(link: bus.Bus, run: scene.Run, tmp_path: Path) -> None:
    path = tmp_path / "jobs.json"
    path.write_text('{"counters": {"jobs": {"count": 9}}}')
    with endpoint.serving(endpoint.says(BODY)) as served:
        words = ("--source", f"dropwizard:app={served.url}", "--source", f"dropwizard:jobs=file:{path}")
        async with run(*words, *FOREVER), aclosing(scene.snapshots(link)) as stored:
            snapshot = await scene.first(stored, lambda found: not any(one.error for one in found.sources))
    assert {block.source for block in snapshot.blocks} == {"app", "jobs", "courier"}
    assert [report.error for report in snapshot.sources] == ["", ""]


async def test_the_id_is_the_messages(link: bus.Bus, run: scene.Run) -> None:
    async with run(*FOREVER):
        history = link.history("TELEMETRY", subjects.snapshot("web", "web-1"), follow=True)
        delivery = await asyncio.wait_for(anext(history), 10)
        assert delivery.headers["Nats-Msg-Id"] == delivery.read(messages.Snapshot).id
        assert delivery.envelope.source == "/courier/web-1"
        await history.aclose()


async def test_what_can_be_measured_is_said_before_it_is_sent(link: bus.Bus, run: scene.Run) -> None:
    with endpoint.serving(endpoint.says(BODY)) as served:
        in_time = ("--interval", "3s")
        async with run(*source(served), *in_time, *FOREVER), aclosing(scene.snapshots(link)) as stored:
            await scene.first(stored, lambda found: found.blocks[:-1])
            history = link.history("TELEMETRY", f"{subjects.ROOT}.>")
            kinds = [subjects.parse(delivery.subject).kind async for delivery in history]
            found = [
                delivery.read(messages.Discovery)
                async for delivery in link.history("TELEMETRY", subjects.discovery("web", "web-1"))
            ]
    assert kinds[0] == "discovery"
    assert len(found) == 1
    assert found[0].kinds["timer"] == ("com.example.Shop.checkout", "com.example.Shop.pay")
    assert list(found[0].kinds) == ["counter", "gauge", "histogram", "meter", "timer"]
    assert found[0].facts["courier"] == VERSION


@pytest.mark.parametrize(
    ("answer", "collect", "words"),
    [
        (endpoint.slams_the_door, 0, "cannot read"),
        (endpoint.drips, -1, "no complete answer"),
        (endpoint.says(b"<html>"), 0, "not JSON"),
        (endpoint.says(b"", 500), 0, "answered 500"),
    ],
    ids=["closes", "drips", "HTML", "500"],
)
async def test_a_bad_endpoint_is_reported_and_it_goes_on(
    link: bus.Bus, run: scene.Run, answer: endpoint.Answer, collect: int, words: str
) -> None:
    with endpoint.serving(answer) as served:
        async with (
            run(*source(served), "--max-body", "100k", *FOREVER) as courier,
            aclosing(scene.snapshots(link)) as stored,
        ):
            for _ in range(3):
                snapshot = await scene.first(stored, lambda found: words in found.sources[0].error)
                assert scene.facts(snapshot)["courier.collect"] == collect
            served.answer = endpoint.says(BODY)
            assert await scene.first(stored, lambda found: found.blocks[:-1])
            courier.signal(signal.SIGTERM)
            await courier.ended()
            said = await courier.said()
    assert said.count(words) <= 1  # not each time; none where it was late before it was bad
    assert "source dropwizard: fine again" in said


async def test_nobody_listens(link: bus.Bus, run: scene.Run, unused_tcp_port: int) -> None:
    words = ("--source", f"dropwizard=http://127.0.0.1:{unused_tcp_port}/metrics", *FOREVER)
    async with run(*words), aclosing(scene.snapshots(link)) as stored:
        snapshot = await scene.first(stored, lambda found: found.seq == 3)
    assert scene.facts(snapshot)["courier.collect"] == 0
    assert "Connection refused" in snapshot.sources[0].error


class TestTheEnd:
    @pytest.mark.parametrize(
        ("script", "code", "reason"),
        [("exit 0", 0, "exited"), ("exit 7", 7, "exited"), ("kill -KILL $$", 137, "signal SIGKILL")],
    )
    async def test_is_the_childs_and_said_with_its_reason(
        self, link: bus.Bus, run: scene.Run, script: str, code: int, reason: str
    ) -> None:
        async with run("--", "sh", "-c", f"sleep 0.3; {script}") as courier:
            assert await courier.ended() == code
        async with aclosing(scene.beats(link)) as heard:
            last = await asyncio.wait_for(anext(heard), 5)
        assert (last.state, last.reason, last.exit_code) == (0, reason, code)
        changes = await scene.changes(link)
        assert [(c.change, c.reason, c.exit_code) for c in changes] == [
            ("started", "", None),
            ("stopped", reason, code),
        ]
        assert len({last.boot, *(change.boot for change in changes)}) == 1

    async def test_sigterm_is_passed_on(self, link: bus.Bus, run: scene.Run) -> None:
        async with run("--", "sh", "-c", "trap 'exit 3' TERM; while :; do sleep 0.05; done") as courier:
            async with aclosing(scene.beats(link)) as heard:
                alive = await asyncio.wait_for(anext(heard), 10)
            courier.signal(signal.SIGTERM)
            assert await courier.ended() == 3
        assert (alive.state, alive.version) == (1, VERSION)
        assert (await scene.changes(link))[-1].reason == "stopped"

    async def test_one_that_ignores_sigterm_is_killed(self, link: bus.Bus, run: scene.Run) -> None:
        async with run("--grace", "200ms", "--", "sh", "-c", "trap '' TERM; sleep 60") as courier:
            async with aclosing(scene.beats(link)) as heard:
                await asyncio.wait_for(anext(heard), 10)
            courier.signal(signal.SIGTERM)
            assert await courier.ended() == 137
        assert (await scene.changes(link))[-1].reason == "killed"

    @pytest.mark.parametrize(("command", "code"), [("no-such-program", 127), ("/etc/passwd", 126)])
    async def test_a_command_that_cannot_start(
        self, link: bus.Bus, run: scene.Run, command: str, code: int
    ) -> None:
        async with run("--", command) as courier:
            assert await courier.ended() == code
            assert f"concierge-courier: {command}: " in await courier.said()
        assert await scene.changes(link) == []

    async def test_without_a_command_sigterm_ends_it(self, link: bus.Bus, run: scene.Run) -> None:
        async with run() as courier, aclosing(scene.beats(link)) as heard:
            await asyncio.wait_for(anext(heard), 10)
            courier.signal(signal.SIGTERM)
            assert await courier.ended() == 0
        assert [change.change for change in await scene.changes(link)] == ["started", "stopped"]

    async def test_the_childs_output_is_its_own(self, link: bus.Bus, run: scene.Run) -> None:
        async with run("--", "sh", "-c", "echo out; echo err >&2") as courier:
            assert await courier.ended() == 0
            assert await courier.printed() == "out\n"
            assert await courier.said() == "err\n"


async def test_it_beats(link: bus.Bus, run: scene.Run) -> None:
    async with run("--heartbeat", "200ms", *FOREVER), aclosing(scene.beats(link)) as heard:
        times = [(await asyncio.wait_for(anext(heard), 10)).time_ns for _ in range(4)]
    gaps = [(later - earlier) / 1e9 for earlier, later in itertools.pairwise(times)]
    assert all(0.15 < gap < 1 for gap in gaps)


async def test_a_ping_is_answered(link: bus.Bus, run: scene.Run) -> None:
    async with run(*FOREVER), aclosing(scene.beats(link)) as heard:
        beat = await asyncio.wait_for(anext(heard), 10)
        answer = msgspec.json.decode(await link.ask(subjects.ping("web", "web-1"), 5), type=messages.Ping)
    assert (answer.service, answer.instance, answer.state, answer.boot) == ("web", "web-1", 1, beat.boot)


@pytest.mark.parametrize(("processed", "primary"), [(5, True), (0, True), (5, False)])
async def test_a_receipt_rides_in_the_next_snapshot(
    link: bus.Bus, run: scene.Run, processed: int, primary: bool
) -> None:
    async with run(*FOREVER), aclosing(scene.snapshots(link)) as stored:
        sent = await scene.first(stored, lambda found: True)
        receipt = messages.Receipt(
            service="web", instance="web-1", snapshot_id=sent.id, backend="zabbix", primary=primary,
            processed=processed, failed=5 - processed, total=5, elapsed_ms=1,
        )  # fmt: skip
        await link.tell(link.pack(subjects.receipt("web", "web-1"), receipt))
        later = [await scene.first(stored, lambda found: True) for _ in range(5)]
    elapsed = [
        fact for fact in (scene.facts(one).get("courier.elapsed") for one in later) if fact is not None
    ]
    if not primary:
        assert elapsed == []
    elif processed:
        assert len(elapsed) == 1
        assert 1 <= int(elapsed[0]) < 5000
    else:
        assert elapsed == [0]
