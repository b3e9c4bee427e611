"""The small HTTP server of a service that serves nothing else."""

import asyncio

import pytest

from concierge_proto import errors, health


async def ask(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        async with asyncio.timeout(5):
            return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


async def get(port: int, path: str) -> tuple[int, str]:
    answer = await ask(port, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    head, _, body = answer.decode().partition("\r\n\r\n")
    assert f"Content-Length: {len(body.encode())}" in head
    return int(head.split()[1]), body


async def test_it_lives_is_ready_and_counts() -> None:
    async with health.serving("127.0.0.1:0", lambda: "", lambda: b"concierge_up 1\n") as port:
        assert await get(port, "/healthz") == (200, "ok\n")
        assert await get(port, "/readyz?verbose") == (200, "ready\n")
        assert await get(port, "/metrics") == (200, "concierge_up 1\n")
        assert (await get(port, "/"))[0] == 404


async def test_it_is_alive_but_not_ready_and_says_what_is_missing() -> None:
    missing = ["NATS is away ü"]
    async with health.serving("127.0.0.1:0", lambda: "".join(missing), lambda: b"") as port:
        assert await get(port, "/readyz") == (503, "NATS is away ü\n")
        assert (await get(port, "/healthz"))[0] == 200
        missing.clear()
        assert (await get(port, "/readyz"))[0] == 200


async def test_only_reading_is_allowed() -> None:
    async with health.serving("127.0.0.1:0", lambda: "", lambda: b"") as port:
        assert (await ask(port, b"POST /healthz HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 405 ")


@pytest.mark.parametrize(
    "request_", [b"GET /" + b"x" * 20_000 + b"\r\n\r\n", b"\xff\x00\r\n\r\n", b"\r\n\r\n"]
)
async def test_garbage_hurts_nobody_else(request_: bytes) -> None:
    async with health.serving("127.0.0.1:0", lambda: "", lambda: b"") as port:
        answer = await ask(port, request_)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 405 ")
        assert await get(port, "/healthz") == (200, "ok\n")


async def test_one_who_says_nothing_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_PATIENCE", 0.05)
    async with health.serving("127.0.0.1:0", lambda: "", lambda: b"") as port:
        assert await ask(port, b"GET /healthz") == b""


async def test_without_an_address_it_serves_nothing() -> None:
    async with health.serving("", lambda: "", lambda: b"") as port:
        assert port == 0


async def test_a_port_that_is_taken_is_named() -> None:
    async with health.serving("127.0.0.1:0", lambda: "", lambda: b"") as port:
        with pytest.raises(errors.Permanent, match=f"cannot listen on 127.0.0.1:{port}: .*in use"):
            async with health.serving(f"127.0.0.1:{port}", lambda: "", lambda: b""):
                pass


@pytest.mark.parametrize(
    ("listen", "parts"),
    [("127.0.0.1:8080", ("127.0.0.1", 8080)), ("[::1]:0", ("::1", 0)), ("web:65535", ("web", 65535))],
)
def test_an_address_comes_apart(listen: str, parts: tuple[str, int]) -> None:
    assert health.address(listen) == parts


@pytest.mark.parametrize(
    "listen", ["8080", ":8080", "web", "web:", "web:http", "web:²", "web:65536", "web:-1"]
)
def test_anything_else_is_no_address(listen: str) -> None:
    with pytest.raises(errors.Malformed, match="write host:port"):
        health.address(listen)
