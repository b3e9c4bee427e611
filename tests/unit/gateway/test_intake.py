"""The bytes of a request: how many, how fast, and of what kind."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from starlette.requests import Request

from concierge_gateway import answers, intake

JSON = (b"content-type", b"application/json")


def request(
    chunks: Sequence[bytes] = (b"{}",),
    headers: Sequence[tuple[bytes, bytes]] = (JSON,),
    *,
    ends: str = "http.request",
) -> Request:
    parts: list[dict[str, Any]] = [
        {"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks
    ]
    parts.append({"type": ends, "body": b"", "more_body": False})

    async def receive() -> dict[str, Any]:
        if parts:
            return parts.pop(0)
        return await asyncio.Future()

    return Request({"type": "http", "method": "POST", "headers": list(headers)}, receive)


async def read(found: Request, limit: int = 100, patience: float = 1.0) -> bytes:
    return await intake.read(found, intake.head(found), limit, patience)


async def refused(found: Request, limit: int = 100) -> answers.Refusal:
    with pytest.raises(answers.Refusal) as caught:
        await read(found, limit, 0.05)
    return caught.value


async def test_chunks_become_a_body() -> None:
    assert await read(request([b'{"a"', b": 1", b"}"])) == b'{"a": 1}'


@pytest.mark.parametrize(
    "value",
    [
        b"application/json",
        b"Application/JSON; charset=UTF-8",
        b'application/json;charset="utf-8"',
        b"application/cloudevents+json",
    ],
)
async def test_json_by_any_name(value: bytes) -> None:
    assert await read(request(headers=[(b"content-type", value)])) == b"{}"


async def test_exactly_the_limit_is_allowed() -> None:
    assert len(await read(request([b"x" * 60, b"x" * 40]))) == 100


async def test_an_announced_flood_is_refused_before_it_comes() -> None:
    refusal = await refused(request([], [JSON, (b"content-length", b"101")]))
    assert refusal.status == 413
    assert "gateway.max_body = 100 bytes" in str(refusal)
    assert refusal.headers == {"Connection": "close"}
    assert (await refused(request([], [JSON, (b"content-length", b"9" * 4000)]))).status == 413


async def test_an_unannounced_flood_is_cut_off() -> None:
    assert (await refused(request([b"x" * 60, b"x" * 41, b"y" * 10**6]))).status == 413


async def test_a_body_that_never_ends_is_given_up() -> None:
    endless = request([b"{"])
    endless._receive = _slow(endless._receive)
    refusal = await refused(endless)
    assert refusal.status == 408
    assert "longer than 0.05 s" in str(refusal)


def _slow(receive: Any) -> Any:
    first = True

    async def wait() -> Any:
        nonlocal first
        if first:
            first = False
            return await receive()
        return await asyncio.Future()

    return wait


async def test_a_sender_that_hangs_up() -> None:
    assert (await refused(request([b"{"], ends="http.disconnect"))).status == 400


@pytest.mark.parametrize(
    ("headers", "status", "word"),
    [
        ([], 415, "content-type is missing"),
        ([(b"content-type", b"text/plain")], 415, "content-type is 'text/plain'"),
        ([(b"content-type", b"application/x-www-form-urlencoded")], 415, "send application/json"),
        ([(b"content-type", b"application/json; charset=latin1")], 415, "send UTF-8"),
        ([(b"content-type", b"\xff" * 500)], 415, "send application/json"),
        ([JSON, (b"content-encoding", b"gzip")], 415, "content-encoding"),
        ([JSON, JSON], 400, "header content-type stands twice"),
        ([JSON, (b"webhook-id", b"a"), (b"webhook-id", b"a")], 400, "header webhook-id stands twice"),
        (
            [JSON, (b"authorization", b"a"), (b"authorization", b"b")],
            400,
            "header authorization stands twice",
        ),
    ],
)
async def test_what_is_not_read(headers: list[tuple[bytes, bytes]], status: int, word: str) -> None:
    refusal = await refused(request(headers=headers))
    assert refusal.status == status
    assert word in str(refusal)
    assert len(str(refusal)) < 250


async def test_other_headers_may_stand_twice() -> None:
    assert await read(request(headers=[JSON, (b"via", b"a"), (b"via", b"b")])) == b"{}"


async def test_a_body_that_is_said_to_be_as_it_is() -> None:
    assert await read(request(headers=[JSON, (b"content-encoding", b"Identity")])) == b"{}"
