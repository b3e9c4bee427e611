"""Whatever a server or the kernel says: a reading, or a sentence; in time, in bounds, and nothing else."""

import contextlib
import gzip
import os
import tempfile
from pathlib import Path

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from concierge_courier.sources import container, fetch, mounts, port, process
from concierge_proto import errors, messages
from tests.integration.courier import doors
from tests.unit.courier import trees

EXAMPLES = int(os.environ.get("NOISE_EXAMPLES", "60"))
"""More of them by hand: NOISE_EXAMPLES=20000."""
QUICK = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SIZE = 5_000

HEADERS = st.sampled_from(
    [
        *(
            "Content-Length: 5",
            "Content-Length: -1",
            "Content-Length: 99999999999999999999",
            "Content-Length: x",
        ),
        *(
            "Transfer-Encoding: chunked",
            "Content-Encoding: gzip",
            "Content-Encoding: deflate",
            "Connection: x",
        ),
        *("Location: http://[", "Location: \xff", "X", ": y", " folded", "Content-Encoding: \xe9"),
    ]
)
BODIES = st.one_of(
    st.binary(max_size=200),
    st.binary(max_size=200).map(gzip.compress),
    st.lists(
        st.sampled_from([b"5\r\n12345\r\n", b"0\r\n", b"\r\n", b"-1\r\n", b"ffffffffffff\r\n", b";x\r\n"])
    ).map(b"".join),
)
STATUSES = st.sampled_from(
    ["HTTP/1.1 200 OK", "HTTP/1.0 200", "HTTP/1.1 301 \xff", "HTTP/9.9 200 OK", "HTTP/1.1 99"]
)


def spelled(status: str, headers: list[str], body: bytes) -> bytes:
    return "\r\n".join([status, *headers, "", ""]).encode("latin-1") + body


ANSWERS = st.one_of(
    st.binary(max_size=300), st.builds(spelled, STATUSES, st.lists(HEADERS, max_size=4), BODIES)
)


@QUICK
@given(ANSWERS)
def test_any_answer(answer: bytes) -> None:
    with doors.opened(doors.says(answer)) as door:
        opened = fetch.opener(f"http://127.0.0.1:{door.port}/m")()
        try:
            body = fetch.read(opened, port.Limits(5, SIZE), lambda: None)
        except errors.Temporary as error:
            said, body = str(error), b""
        else:
            said = ""
    assert len(body) <= SIZE
    assert not said or said.isprintable()
    assert len(said) < 700


WORDS = st.sampled_from(
    [
        *(
            "0",
            "-1",
            "18446744073709551616",
            "max",
            "1e9",
            "nan",
            "254:0",
            "7:0",
            "Read",
            "rbytes=1",
            "rbytes=",
        ),
        *(
            "=",
            ":",
            "eth0:",
            "\\040",
            "\\999",
            "/",
            "//",
            "..",
            "-",
            "cgroup2",
            "cgroup",
            "rw,cpu",
            "(",
            ")",
            "\x00",
        ),
        *("usage_usec", "oom_kill", "total_inactive_file", "é", "\n", "\n\n", "٣"),
    ]
)
TEXTS = st.lists(WORDS, max_size=30).map(" ".join)
FILES = sorted({path for tree in (trees.ONE, trees.TWO) for path in tree})


@QUICK
@given(
    st.sampled_from([trees.ONE, trees.TWO]),
    st.dictionaries(st.sampled_from(FILES), TEXTS, max_size=6),
)
def test_any_kernel(tree: dict[str, str], noise: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = container.Container("container", trees.plant(Path(folder), {**tree, **noise}))
        for block in source._read():
            assert msgspec.msgpack.decode(msgspec.msgpack.encode(block), type=messages.Block) == block
        mounts.sizes(Path(folder), os.statvfs)


@QUICK
@given(TEXTS, TEXTS)
def test_any_process(stat: str, limits: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        trees.plant(Path(folder), {"10/stat": f"10 (x) {stat}", "10/limits": f"Max open files {limits}"})
        with contextlib.suppress(errors.Temporary):
            assert "threads" in process.look(Path(folder), 10)
