"""Sources of text on real endpoints, commands and files: each in one shot, none longer than it may."""

import asyncio
import contextlib
import os
import shlex
import sys
from contextlib import aclosing
from pathlib import Path

import pytest

from concierge_courier import sources
from concierge_courier.sources import port
from concierge_proto import bus, errors
from tests.integration.courier import endpoint, scene
from tests.unit.courier import pages

LIMITS = port.Limits(5, 100_000)
PAGE = b"# TYPE jobs_total counter\njobs_total 5\n"


async def read(text: str, limits: port.Limits = LIMITS) -> pages.Cells:
    (source,) = sources.make([text])
    return pages.cells(await source.read(limits, lambda: None))


def base(served: endpoint.Endpoint) -> str:
    return served.url.removesuffix("/metrics")


def at(path: str, body: bytes) -> endpoint.Answer:
    """Have this at one path, and nothing elsewhere."""

    def answer(handler: endpoint.Handler) -> None:
        found = handler.path == path
        endpoint.says(body if found else b"", 200 if found else 404)(handler)

    return answer


async def test_prometheus_is_asked_for_its_text() -> None:
    asked: list[str] = []

    def answer(handler: endpoint.Handler) -> None:
        asked.append(handler.headers["Accept"])
        endpoint.says(PAGE)(handler)

    with endpoint.serving(answer) as served:
        assert await read(f"prometheus={served.url}") == {"counter[jobs_total,value]": 5}
    assert asked[0].startswith("text/plain;version=0.0.4")
    assert "application/openmetrics-text;version=1.0.0" in asked[0]


async def test_health_checks_that_fail_are_values_too() -> None:
    with endpoint.serving(endpoint.says(b'{"db": {"healthy": false}}', 500)) as served:
        assert await read(f"health={served.url}") == {"health[db,value]": 0}
        with pytest.raises(errors.Temporary, match="answered 500"):
            await read(f"json={served.url}")


async def test_json_with_its_paths() -> None:
    body = b'{"queue": {"size": 5}, "other": 1}'
    with endpoint.serving(endpoint.says(body)) as served:
        assert await read(f"json={served.url}#queue") == {"gauge[queue.size,value]": 5}


@pytest.mark.parametrize(
    ("path", "body", "key"),
    [
        ("/actuator/prometheus", PAGE, "counter[jobs_total,value]"),
        ("/metrics", b'{"jobs": 5}', "gauge[jobs,value]"),
    ],
)
async def test_spring_is_found_once_and_then_asked_once(path: str, body: bytes, key: str) -> None:
    with endpoint.serving(at(path, body)) as served:
        (source,) = sources.make([f"spring={base(served)}/"])
        await source.read(LIMITS, lambda: None)
        before = served.requests
        for _ in range(3):
            assert pages.cells(await source.read(LIMITS, lambda: None)) == {key: 5}
    assert served.requests == before + 3


async def test_spring_at_a_path_is_asked_there_alone() -> None:
    with endpoint.serving(at("/shop/manage/prometheus", PAGE)) as served:
        text = f"spring={base(served)}/shop/manage/prometheus"
        assert await read(text) == {"counter[jobs_total,value]": 5}
    assert served.requests == 1


async def test_spring_that_has_neither_says_where_it_was_sought() -> None:
    with (
        endpoint.serving(at("/", b"")) as served,
        pytest.raises(errors.Temporary, match=r"/actuator/prometheus answered 404.*/metrics answered 404"),
    ):
        await read(f"spring={base(served)}")


@pytest.mark.parametrize("kind", ["prometheus", "spring", "json", "health"])
@pytest.mark.parametrize(
    "answer",
    [endpoint.says(b"<html>\n"), endpoint.breaks_off, endpoint.says(b"\xff\xfe")],
    ids=["html", "broken", "binary"],
)
async def test_a_bad_answer_is_a_sentence(kind: str, answer: endpoint.Answer) -> None:
    with endpoint.serving(answer) as served, pytest.raises(errors.Temporary):
        await read(f"{kind}={served.url}")


async def test_a_file_of_any_form(tmp_path: Path) -> None:
    path = tmp_path / "metrics"
    (source,) = sources.make([f"file={path}"])
    for body, key in ((PAGE, "counter[jobs_total,value]"), (b'{"a": 5}', "gauge[a,value]")):
        path.write_bytes(body)
        assert pages.cells(await source.read(LIMITS, lambda: None)) == {key: 5}
    path.unlink()
    with pytest.raises(errors.Temporary, match="No such file"):
        await source.read(LIMITS, lambda: None)


def python(program: str) -> str:
    return f"exec={shlex.join([sys.executable, '-c', program])}"


async def test_a_command_is_read_and_the_response_starts_with_its_first_word() -> None:
    marks: list[None] = []
    (source,) = sources.make(["exec:jobs=printf 'jobs %s\\n' 5"])
    assert source.name == "jobs"
    reading = await source.read(LIMITS, lambda: marks.append(None))
    assert pages.cells(reading) == {"gauge[jobs,value]": 5}
    assert len(marks) == 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("exec=/does/not/exist", "cannot start /does/not/exist: No such file"),
        ("exec=/dev/null", "cannot start /dev/null: Permission denied"),
        ("exec=sh -c 'echo jobs 5; echo oh no >&2; exit 3'", r"sh exited with 3: oh no"),
        ("exec=sh -c 'kill -9 $$'", "sh was ended by SIGKILL"),
        ("exec=yes", "yes printed more than 100,000 bytes"),
        ("exec=sh -c 'echo oh no'", "no Prometheus text"),
    ],
)
async def test_a_command_that_fails_says_so(text: str, sentence: str) -> None:
    with pytest.raises(errors.Temporary, match=sentence):
        await read(text)


@pytest.mark.parametrize("text", ["exec=stats '", "exec= "])
def test_what_is_no_command_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(errors.Permanent, match="source exec"):
        sources.make([text])


async def test_a_command_that_complains_for_ever_keeps_only_its_last_words() -> None:
    program = "import sys; sys.stderr.write('x' * 10_000_000 + ' the end'); sys.exit(1)"
    with pytest.raises(errors.Temporary) as raised:
        await read(python(program))
    assert str(raised.value).endswith("the end")
    assert len(str(raised.value)) < 500


FORKS = "sleep 60 & echo $! >{pids}; echo $$ >>{pids}; {then}"


@pytest.mark.parametrize("then", ["wait", "exit 0"], ids=["stays", "leaves"])
async def test_a_command_out_of_time_is_killed_with_all_it_started(tmp_path: Path, then: str) -> None:
    pids = tmp_path / "pids"
    script = FORKS.format(pids=pids, then=then)
    with pytest.raises(TimeoutError):
        await read(f"exec={shlex.join(['sh', '-c', script])}", port.Limits(0.5, 1000))
    await gone(pids)


async def test_a_command_that_is_not_waited_for_any_more_is_killed(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = FORKS.format(pids=pids, then="wait")
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.5):
            await read(f"exec={shlex.join(['sh', '-c', script])}")
    await gone(pids)


async def test_a_command_gets_no_input() -> None:
    assert await read("exec=sh -c 'read line || echo read_nothing 1'") == {"gauge[read_nothing,value]": 1}


async def gone(pids: Path) -> None:
    """Wait until none of the processes runs; one that nobody has reaped yet does not."""
    async with asyncio.timeout(5):
        while any(map(runs, pids.read_text().split())):
            await asyncio.sleep(0.02)


def runs(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def test_all_of_them_travel_in_one_snapshot(link: bus.Bus, run: scene.Run, tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(b'{"state": "UP"}')
    with endpoint.serving(endpoint.says(PAGE)) as served:
        texts = (f"prometheus={served.url}", f"file={path}", "exec=printf 'queue %s\\n' 7")
        words = [word for text in texts for word in ("--source", text)]
        async with run(*words, "--", "sleep", "60"), aclosing(scene.snapshots(link)) as stored:
            snapshot = await scene.first(stored, lambda found: len(found.blocks) > 3)
    found = {block.source: (block.kind, block.names, block.values) for block in snapshot.blocks[:-1]}
    assert found == {
        "prometheus": ("counter", ("jobs_total",), (5,)),
        "file": ("gauge", ("state",), ("UP",)),
        "exec": ("gauge", ("queue",), (7,)),
    }
    assert [report.error for report in snapshot.sources] == ["", "", ""]


def test_no_source_is_imported_before_it_is_asked_for() -> None:
    program = (
        "import sys, concierge_courier.sources; print([n for n in sys.modules if n.endswith('.prometheus')])"
    )
    with os.popen(shlex.join([sys.executable, "-c", program])) as said:  # noqa: S605
        assert said.read().strip() == "[]"
