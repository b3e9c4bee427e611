"""One shot: a dry run, and the two doors for an agent, `discover` and `deliver`."""

import asyncio
import json
import os
import signal
from pathlib import Path

import msgspec
import pytest

from concierge_proto import bus, messages, subjects
from tests import containers
from tests.integration.courier import scene

BODY = (Path(__file__).parents[2] / "unit/courier/dropwizard4.json").read_bytes()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "metrics.json"
    path.write_bytes(BODY)
    return path


async def test_a_dry_run_shows_what_would_be_sent(path: Path) -> None:
    async with scene.courier("run", "--source", f"dropwizard={path}", "--dry-run") as courier:
        printed = (await courier.printed()).splitlines()
        assert await courier.ended() == 0
    rows = dict(line.rsplit(maxsplit=1) for line in printed if not line.startswith("#"))
    assert rows["timer[com.example.Shop.checkout,p95]"] == "0.07"
    assert rows["gauge[jvm.attribute.name,value]"] == "1@web-1"
    assert "# discovery timer: 2 names" in printed
    assert printed[-1].startswith("# ")


async def test_a_dry_run_shows_what_is_left_of_it(path: Path) -> None:
    words = ("--include", "timer[*,p95]", "--include", "gauge[*]", "--exclude", "gauge*")
    shorter = ("--rename", "com.example.=", "--spool", str(path))
    async with scene.courier(
        "run", "--dry-run", *words, *shorter, "--source", f"dropwizard={path}"
    ) as courier:
        printed = (await courier.printed()).splitlines()
        assert await courier.ended() == 0  # and the spool was not touched
    keys = [line.split()[0] for line in printed if "[" in line]
    assert keys == ["timer[Shop.checkout,p95]", "timer[Shop.pay,p95]"]


async def test_two_sources_of_the_same_names_are_told_and_can_be_told_apart(path: Path) -> None:
    two = ("run", "--dry-run", "--source", f"dropwizard:shop={path}", "--source", f"dropwizard:jobs={path}")
    async with scene.courier(*two) as courier:
        assert await courier.ended() == 0
        assert "names in common, shop and jobs for one" in await courier.said()
    async with scene.courier(*two, "--prefix", "jobs=jobs.", "--rename", "com.example.=") as courier:
        printed = (await courier.printed()).splitlines()
        assert await courier.said() == ""
    keys = [line.split()[0] for line in printed if "checkout,p95" in line]
    assert keys == ["timer[Shop.checkout,p95]", "timer[jobs.Shop.checkout,p95]"]


async def test_as_json(path: Path) -> None:
    words = ("run", "--source", f"dropwizard={path}", "--dry-run", "--json")
    async with scene.courier(*words) as courier:
        printed = json.loads(await courier.printed())
    assert msgspec.convert(printed["snapshot"], messages.Snapshot).total > 40
    assert printed["discovery"]["histogram"] == ["shop.basket"]


async def test_a_dry_run_of_a_bad_source_says_so(path: Path) -> None:
    async with scene.courier("run", "--source", f"dropwizard={path}x", "--dry-run") as courier:
        assert await courier.ended() == 1
        assert "No such file" in await courier.said()


@pytest.mark.parametrize(
    ("into", "code", "said"),
    [("| true", 0, ""), (">/dev/full", 2, "concierge-courier: cannot print: No space left on device\n")],
)
async def test_what_cannot_be_printed_is_no_crash(tmp_path: Path, into: str, code: int, said: str) -> None:
    """`| head` is how one looks at thousands of lines."""
    path = tmp_path / "many.json"
    path.write_text(json.dumps({"counters": {f"c{at}": {"count": at} for at in range(20_000)}}))
    script = f'set -o pipefail; "$0" run --dry-run --source dropwizard={path} {into}'
    async with scene.courier(under=("bash", "-c", script)) as courier:
        assert await courier.ended() == code
        assert await courier.said() == said


async def test_discovers_from_the_environment_alone(path: Path) -> None:
    async with scene.courier("discover", "timer", CONCIERGE_SOURCES=f"dropwizard={path}") as courier:
        printed = json.loads(await courier.printed())
        assert await courier.ended() == 0
    assert printed == [{"{#NAME}": "com.example.Shop.checkout"}, {"{#NAME}": "com.example.Shop.pay"}]


async def test_an_agent_that_ends_it_ends_what_it_has_started(tmp_path: Path) -> None:
    """The command is in a group of its own, where a signal to the courier's does not reach it."""
    mine = tmp_path / "pid"
    source = f"exec=sh -c 'echo $$ > {mine}; exec sleep 600'"
    async with scene.courier("discover", "timer", "--source", source, "--timeout", "60s") as courier:
        await containers.met(lambda: written(mine))
        courier.signal(signal.SIGTERM)
        assert await courier.ended() == 128 + signal.SIGTERM
        assert await courier.printed() == await courier.said() == ""
    await containers.met(lambda: ended(int(mine.read_text())))


async def written(path: Path) -> bool:
    return path.exists() and path.read_text().endswith("\n")


async def ended(pid: int) -> bool:
    """Return whether it runs no more; process 1 reaps it when it likes."""
    try:
        return "State:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True


async def test_a_discovery_that_failed_prints_nothing(path: Path) -> None:
    async with scene.courier("discover", "timer", "--source", f"dropwizard={path}x") as courier:
        assert await courier.ended() == 1
        assert await courier.printed() == ""


@pytest.mark.parametrize(
    ("processed", "code", "printed"), [(9, 0, range(1, 10_000)), (0, 1, [0]), (None, 2, [-1])]
)
async def test_delivers(
    link: bus.Bus, nats_url: str, path: Path, processed: int | None, code: int, printed: list[int]
) -> None:
    words = ("deliver", "--service", "web", "--instance", "web-1", "--nats", nats_url)
    async with (
        link.listening(subjects.snapshot("web", "web-1")) as heard,
        scene.courier(*words, "--source", f"dropwizard={path}") as courier,
    ):
        snapshot = (await asyncio.wait_for(anext(heard), 10)).read(messages.Snapshot)
        if processed is not None:
            receipt = messages.Receipt(
                service="web", instance="web-1", snapshot_id=snapshot.id, backend="zabbix", primary=True,
                processed=processed, failed=9 - processed, total=9, elapsed_ms=1,
            )  # fmt: skip
            await link.tell(link.pack(subjects.receipt("web", "web-1"), receipt))
        assert int(await courier.printed()) in printed
        assert await courier.ended() == code


@pytest.mark.parametrize(("name", "code", "verdict"), [("missing", 1, "0"), ("pipe", 2, "-1")])
async def test_a_delivery_whose_source_fails(
    link: bus.Bus, nats_url: str, tmp_path: Path, name: str, code: int, verdict: str
) -> None:
    os.mkfifo(tmp_path / "pipe")
    words = ("deliver", "--service", "web", "--nats", nats_url, "--timeout", "200ms")
    async with scene.courier(*words, "--source", f"dropwizard={tmp_path / name}") as courier:
        assert await courier.printed() == f"{verdict}\n"
        assert await courier.ended() == code


async def test_wrong_options_end_with_2_and_a_sentence() -> None:
    async with scene.courier("run", "--", "true") as courier:
        assert await courier.ended() == 2
        assert await courier.said() == (
            "concierge-courier: which service is this? Say --service NAME, or set CONCIERGE_SERVICE\n"
        )
