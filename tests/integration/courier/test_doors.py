"""Sources behind a door: TLS, a unix socket, somebody who asks; and servers that mean harm."""

import asyncio
import base64
import gzip
import os
import socket
import threading
import time
import zlib
from pathlib import Path

import pytest

from concierge_courier.sources import access, dropwizard, fetch, port
from concierge_proto import errors
from tests import papers as made
from tests.integration.courier import doors

LIMITS = port.Limits(patience=0.5, size=100_000)
CALM = port.Limits(patience=5, size=100_000)
"""For what shall work: a loaded machine is slow."""


async def read(location: str, limits: port.Limits = CALM, **keys: str) -> port.Reading:
    source = dropwizard.source("app", location)
    assert isinstance(source, port.Locked)
    source.unlock(access.Access(**keys))
    async with asyncio.timeout(limits.patience):
        return await source.read(limits, lambda: None)


async def hits(location: str, limits: port.Limits = CALM, **keys: str) -> bool:
    return list((await read(location, limits, **keys)).blocks[0].cells()) == [("hits", "count", 3)]


def url(door: doors.Door, scheme: str = "http") -> str:
    return f"{scheme}://127.0.0.1:{door.port}/metrics?all=1"


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> made.Papers:
    return made.make(tmp_path_factory.mktemp("papers"))


@pytest.fixture(scope="module")
def strange(tmp_path_factory: pytest.TempPathFactory) -> made.Papers:
    """Of another CA, and for another host."""
    return made.make(tmp_path_factory.mktemp("strange"), "DNS:elsewhere.example")


# -------------------------------------------------------------------- who is there?


async def test_a_token(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("t0ken\n")
    with doors.opened(doors.says(doors.answer())) as door:
        assert await hits(url(door), token_file=str(token))
        token.write_text("n3w")
        assert await hits(url(door), token_file=str(token))
    assert b"\r\nAuthorization: Bearer t0ken\r\n" in door.requests[0]
    assert b"\r\nAuthorization: Bearer n3w\r\n" in door.requests[1]


async def test_a_password(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret")
    with doors.opened(doors.says(doors.answer())) as door:
        assert await hits(url(door), user="me", password_file=str(secret))
    pair = base64.b64encode(b"me:s3cret")
    assert b"\r\nAuthorization: Basic " + pair + b"\r\n" in door.requests[0]


async def test_nobody_is_told_more_than_was_asked(tmp_path: Path) -> None:
    with doors.opened(doors.says(doors.answer())) as door:
        assert await hits(url(door))
    assert b"authorization" not in door.requests[0].lower()
    assert door.requests[0].startswith(b"GET /metrics?all=1 HTTP/1.1\r\n")
    assert f"\r\nHost: 127.0.0.1:{door.port}\r\n".encode() in door.requests[0]


async def test_a_wrong_secret_is_a_sentence_without_it(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret")
    with (
        doors.opened(doors.says(doors.answer(b"s3cret", "401 Unauthorized"))) as door,
        pytest.raises(errors.Temporary, match="/metrics answered 401 Unauthorized") as caught,
    ):
        await read(url(door), token_file=str(token))
    assert "s3cret" not in str(caught.value)


async def test_a_secret_that_has_gone_fails_one_collection(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("t0ken")
    with doors.opened(doors.says(doors.answer())) as door:
        source = dropwizard.source("app", url(door))
        assert isinstance(source, port.Locked)
        source.unlock(access.Access(token_file=str(token)))
        token.unlink()
        with pytest.raises(errors.Temporary, match=r"cannot read .*token: No such file"):
            await source.read(CALM, lambda: None)
        token.write_text("back")
        assert (await source.read(CALM, lambda: None)).blocks


# -------------------------------------------------------------------- a unix socket


async def test_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    token = tmp_path / "token"
    token.write_text("t0ken")
    with doors.opened(doors.says(doors.answer()), path=path) as door:
        assert await hits(f"unix:{path}:/metrics?a=b:c", token_file=str(token))
    assert door.requests[0].startswith(b"GET /metrics?a=b:c HTTP/1.1\r\n")
    assert b"\r\nHost: localhost\r\n" in door.requests[0]
    assert b"Bearer t0ken" in door.requests[0]


async def test_a_unix_socket_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(errors.Temporary, match=r"cannot read unix:/.*/app\.sock:/m: No such file"):
        await read(f"unix:{tmp_path}/app.sock:/m?token=s3cret")


async def test_a_unix_socket_that_hangs(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    with doors.opened(doors.hangs, path=path), pytest.raises(TimeoutError):
        await read(f"unix:{path}:/m", LIMITS)
    await thread_ends()


# -------------------------------------------------------------------- TLS


async def test_a_ca_of_ones_own(papers: made.Papers) -> None:
    with doors.opened(doors.says(doors.answer()), papers.server()) as door:
        assert await hits(url(door, "https"), ca_file=str(papers.ca))


async def test_a_stranger_is_not_believed(papers: made.Papers, strange: made.Papers) -> None:
    with doors.opened(doors.says(doors.answer()), papers.server()) as door:
        for ca in ("", str(strange.ca)):
            with pytest.raises(errors.Temporary, match="certificate verify failed"):
                await read(url(door, "https"), ca_file=ca)
    assert not door.requests


async def test_another_hosts_certificate_is_refused(strange: made.Papers) -> None:
    with (
        doors.opened(doors.says(doors.answer()), strange.server()) as door,
        pytest.raises(errors.Temporary, match="IP address mismatch"),
    ):
        await read(url(door, "https"), ca_file=str(strange.ca))
    assert not door.requests


async def test_a_clients_certificate(papers: made.Papers) -> None:
    with doors.opened(doors.says(doors.answer()), papers.server(asks=True)) as door:
        ca, cert, key = map(str, papers)
        assert await hits(url(door, "https"), ca_file=ca, cert_file=cert, key_file=key)
        with pytest.raises(errors.Temporary, match="cannot read https"):
            await read(url(door, "https"), ca_file=str(papers.ca))
    assert len(door.requests) == 1


async def test_a_certificate_that_is_replaced_is_used(
    tmp_path: Path, papers: made.Papers, strange: made.Papers
) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_bytes(strange.ca.read_bytes())
    with doors.opened(doors.says(doors.answer()), papers.server()) as door:
        source = dropwizard.source("app", url(door, "https"))
        assert isinstance(source, port.Locked)
        source.unlock(access.Access(ca_file=str(ca)))
        with pytest.raises(errors.Temporary):
            await source.read(CALM, lambda: None)
        ca.write_bytes(papers.ca.read_bytes())
        os.utime(ca, (1, 1))
        assert (await source.read(CALM, lambda: None)).blocks


def test_a_context_is_made_once(papers: made.Papers) -> None:
    """It costs more than the reading: milliseconds, and the system's CAs in memory."""
    opened = fetch.opener("https://127.0.0.1:1/m", access.Access(ca_file=str(papers.ca)), "app")
    first, second = opened(), opened()
    assert isinstance(first, fetch.HttpFetch)
    assert isinstance(second, fetch.HttpFetch)
    assert first._door.context() is second._door.context()


@pytest.mark.parametrize("head", [b"", b"\x16\x03\x03\x40\x00"], ids=["silent", "dripping"])
async def test_a_handshake_that_never_ends(papers: made.Papers, head: bytes) -> None:
    with doors.opened(doors.drips(head, b"\x00") if head else doors.hangs) as door:
        await late(url(door, "https"), ca_file=str(papers.ca))


# -------------------------------------------------------------------- forms of an answer


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.0 200 OK\r\n\r\n" + doors.BODY,
        b"HTTP/1.0 200\r\nContent-Type: text/plain\r\n\r\n" + doors.BODY,
        b"HTTP/1.1 100 Continue\r\n\r\n" + doors.answer(),
        doors.answer(gzip.compress(doors.BODY), "200 OK", "Content-Encoding: gzip"),
        doors.answer(gzip.compress(doors.BODY), "200 OK", "Content-Encoding: X-GZIP"),
        doors.answer(zlib.compress(doors.BODY), "200 OK", "Content-Encoding: deflate"),
        doors.answer(zlib.compress(doors.BODY)[2:-4], "200 OK", "Content-Encoding: deflate"),
        doors.answer(doors.BODY, "200 OK", "Content-Encoding: identity", "Content-Type: image/png"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x;x=y\r\n%s\r\n0\r\nX: y\r\n\r\n"
        % (len(doors.BODY), doors.BODY),
    ],
    ids=[
        *("HTTP/1.0", "no reason", "100 first", "gzip", "x-gzip", "zlib", "raw deflate"),
        *("an image", "chunks with a trailer"),
    ],
)
async def test_reads(answer: bytes) -> None:
    with doors.opened(doors.says(answer)) as door:
        assert await hits(url(door))


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (doors.answer(b"", "405 Method Not Allowed", "Allow: HEAD"), "answered 405 Method Not Allowed"),
        (doors.answer(b"", "501 Unsupported method ('GET')"), "answered 501 Unsupported method"),
        (doors.answer(b"", "204 No Content"), "answered 204 No Content"),
        (doors.answer(b"", "301 Moved", "Location: https://me:s3cret@else/m?t=s3cret"), "to https://else/m:"),
        (doors.answer(b"", "308 Moved", "Location: /new"), "answered 308 Moved, it moved to /new"),
        (doors.answer(b"x", "200 OK", "Content-Encoding: br"), "encoding 'br', which it was not asked for"),
        (doors.answer(b"x", "200 OK", "Content-Encoding: gzip, gzip"), "encoding 'gzip, gzip'"),
        (
            doors.answer(gzip.compress(doors.BODY)[:-12], "200 OK", "Content-Encoding: gzip"),
            "compressed data broke off",
        ),
        (
            doors.answer(gzip.compress(b" " * 20_000_000), "200 OK", "Content-Encoding: gzip"),
            "larger than 100,000 bytes",
        ),
        (b"", "cannot read http"),
        (b"220 smtp.example ESMTP\r\n", "cannot read http"),
        (b"HTTP/1.1 xyz\r\n\r\n", "cannot read http"),
        (b"\xff\x00" * 50_000, "cannot read http"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n", "got more than 100 headers"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", "got more than 65536 bytes"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n", "cannot read http"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabc", "http"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nabc", "http"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nabc", "not JSON"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "broke off after 3 bytes"),
    ],
    ids=[
        *("HEAD only", "no GET", "204", "redirect with a secret", "redirect", "br", "gzip twice"),
        *("half a gzip", "bomb", "nothing", "SMTP", "no status", "noise", "many headers", "long header"),
        *("no chunk", "negative chunk", "half a chunk", "negative length", "too short"),
    ],
)
async def test_refuses_with_a_sentence(answer: bytes, sentence: str) -> None:
    with (
        doors.opened(doors.says(answer)) as door,
        pytest.raises(errors.Temporary, match=sentence) as caught,
    ):
        await read(url(door))
    assert "s3cret" not in str(caught.value)
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize(
    "talk",
    [
        doors.repeats(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        doors.drips(b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n", b" "),
        doors.drips(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        doors.drips(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n"),
    ],
    ids=["100 for ever", "body", "chunks", "trailers"],
)
async def test_what_never_ends_is_late(talk: doors.Talk) -> None:
    with doors.opened(talk) as door:
        await late(url(door))


async def test_endless_chunks_are_too_large() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with (
        doors.opened(doors.repeats(head, b"1000\r\n" + b" " * 4096 + b"\r\n")) as door,
        pytest.raises(errors.Temporary, match="larger than 100,000 bytes"),
    ):
        await read(url(door))


async def test_a_queue_that_is_full_is_late() -> None:
    """A listener whose backlog is full drops the connection attempts."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        await late(f"http://127.0.0.1:{listener.getsockname()[1]}/m")
        for one in waiting:
            one.close()


async def late(location: str, **keys: str) -> None:
    """Read what is never complete: the time limit holds, and the thread ends with it."""
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        await read(location, LIMITS, **keys)
    assert time.monotonic() - begun < 10 * LIMITS.patience
    await thread_ends()


async def thread_ends() -> None:
    for thread in threading.enumerate():
        if thread.name == "source app":
            await asyncio.to_thread(thread.join, 5)
            assert not thread.is_alive()
