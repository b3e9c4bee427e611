"""Reading an endpoint: every way in which one can be bad ends in a sentence, in time, with a bound."""

import asyncio
import gzip
import os
import socket
import threading
import time
from pathlib import Path

import pytest

from concierge_courier.sources import dropwizard, port
from concierge_proto import errors
from tests.integration.courier import endpoint

BODY = b'{"counters": {"hits": {"count": 3}}}'
LIMITS = port.Limits(patience=0.5, size=10_000)


async def read(location: str, limits: port.Limits = LIMITS) -> port.Reading:
    async with asyncio.timeout(limits.patience):
        return await dropwizard.source("app", location).read(limits, lambda: None)


async def answered(answer: endpoint.Answer) -> port.Reading:
    with endpoint.serving(answer) as served:
        return await read(served.url)


@pytest.mark.parametrize(
    "answer",
    [
        endpoint.says(BODY),
        endpoint.says(BODY, Content_Type="text/html"),
        endpoint.says(gzip.compress(BODY), Content_Encoding="gzip"),
    ],
    ids=["as JSON", "as HTML", "gzip"],
)
async def test_reads(answer: endpoint.Answer) -> None:
    reading = await answered(answer)
    assert list(reading.blocks[0].cells()) == [("hits", "count", 3)]


async def test_reads_chunks() -> None:
    def chunked(handler: endpoint.Handler) -> None:
        handler.protocol_version = "HTTP/1.1"
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for byte in BODY:
            handler.wfile.write(b"1\r\n%c\r\n" % byte)
        handler.wfile.write(b"0\r\n\r\n")

    assert (await answered(chunked)).blocks


async def test_the_query_is_sent() -> None:
    def answer(handler: endpoint.Handler) -> None:
        endpoint.says(BODY if handler.path == "/metrics?pretty=true&a=b" else b"")(handler)

    with endpoint.serving(answer) as served:
        assert (await read(f"{served.url}?pretty=true&a=b")).blocks


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (endpoint.says(b"", 503), "answered 503 Service Unavailable"),
        (endpoint.says(b"", 302, Location="http://else/"), "answered 302 Found, it moved to http://else/"),
        (endpoint.says(b"<html>"), "not JSON"),
        (endpoint.says(b" " * 20_000), "larger than 10,000 bytes"),
        (endpoint.says(b"", Content_Length="99999999999"), "larger than 10,000 bytes"),
        (endpoint.says(gzip.compress(b" " * 20_000), Content_Encoding="gzip"), "larger than 10,000 bytes"),
        (endpoint.says(b"no gzip", Content_Encoding="gzip"), "cannot read http://127.0.0.1"),
        (endpoint.never_ends, "larger than 10,000 bytes"),
        (endpoint.breaks_off, "broke off after 10 bytes"),
        (endpoint.slams_the_door, "cannot read http://127.0.0.1"),
    ],
    ids=[
        *("503", "redirect", "HTML", "large", "announced as large", "bomb", "no gzip"),
        *("endless", "broken off", "closed"),
    ],
)
async def test_refuses_with_a_sentence(answer: endpoint.Answer, sentence: str) -> None:
    with pytest.raises(errors.Temporary, match=sentence):
        await answered(answer)


@pytest.mark.parametrize("answer", [endpoint.hangs, endpoint.hangs_in_the_middle, endpoint.drips])
async def test_ends_in_time_and_so_does_its_thread(answer: endpoint.Answer) -> None:
    with endpoint.serving(answer) as served:
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            await read(served.url)
        assert time.monotonic() - begun < 10 * LIMITS.patience  # it would go on for ever
        for thread in threading.enumerate():
            if thread.name == "source app":
                await asyncio.wait_for(asyncio.to_thread(thread.join), 5)


async def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(errors.Temporary, match="Connection refused"):
            await read(f"http://127.0.0.1:{free.getsockname()[1]}/metrics")


async def test_a_name_that_does_not_exist() -> None:
    with pytest.raises(errors.Temporary, match=r"cannot read http://nowhere\.invalid/m"):
        await read("http://nowhere.invalid/m", port.Limits(5, 1000))


async def test_a_secret_in_the_address_is_not_told() -> None:
    with pytest.raises(errors.Permanent, match="say --source-user NAME=USER") as caught:
        await read("http://user:hunter2@127.0.0.1:1/m?token=s3cret")
    assert "hunter2" not in str(caught.value)
    with pytest.raises(errors.Temporary) as refused:
        await read("http://127.0.0.1:1/m?token=s3cret")
    assert "s3cret" not in str(caught.value) + str(refused.value)


async def test_plain_http_is_not_taken_for_https() -> None:
    with endpoint.serving(endpoint.says(BODY)) as served, pytest.raises(errors.Temporary, match="read https"):
        await read(served.url.replace("http:", "https:"))


@pytest.mark.parametrize("form", ["{}", "file:{}", "file://{}"])
async def test_a_file(tmp_path: Path, form: str) -> None:
    path = tmp_path / "metrics.json"
    path.write_bytes(BODY)
    assert (await read(form.format(path))).blocks


@pytest.mark.parametrize(
    ("content", "sentence"), [(None, "No such file"), (b" " * 20_000, "larger than"), (b"", "not JSON")]
)
async def test_a_bad_file(tmp_path: Path, content: bytes | None, sentence: str) -> None:
    path = tmp_path / "metrics.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(errors.Temporary, match=sentence):
        await read(str(path))


async def test_one_that_is_stuck_is_waited_for_and_not_read_twice(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    source = dropwizard.source("app", str(pipe))
    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await source.read(LIMITS, lambda: None)
    stuck = [thread for thread in threading.enumerate() if thread.name == "source app"]
    assert len(stuck) == 1
    pipe.write_bytes(b"")
    await asyncio.to_thread(stuck[0].join, 5)
    pipe.unlink()
    pipe.write_bytes(BODY)
    assert (await source.read(LIMITS, lambda: None)).blocks
