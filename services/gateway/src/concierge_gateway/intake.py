"""The bytes of a request: counted while they come, against a size and a deadline."""

import asyncio
from collections.abc import Mapping

from starlette.requests import ClientDisconnect, Request

from concierge_gateway import answers

PATIENCE = 10.0
"""Seconds for a whole body."""
_ONCE = (
    b"authorization",
    b"content-encoding",
    b"content-length",
    b"content-type",
    b"webhook-id",
    b"webhook-signature",
    b"webhook-timestamp",
)
_PLAIN = "application/json"
_LAST_WORD = {"Connection": "close"}
"""The rest of a body that nobody reads must not be taken for the next request."""


def head(request: Request) -> dict[str, str]:
    """Return the headers, read once for all who ask; raise Refusal 400 where one of ours stands twice."""
    found: dict[bytes, bytes] = {}
    for name, value in request.scope["headers"]:
        if name in found and name in _ONCE:
            raise answers.Refusal(400, f"header {name.decode()} stands twice", _LAST_WORD)
        found.setdefault(name, value)
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in found.items()}


async def read(request: Request, headers: Mapping[str, str], limit: int, patience: float) -> bytes:
    """Return a JSON body of at most `limit` bytes, come within `patience` seconds; raise Refusal 400, 408, 413 or 415."""
    _check_length(headers.get("content-length", ""), limit)
    _check_type(headers)
    if _is_here(request):
        return await _collect(request, limit)
    try:
        async with asyncio.timeout(patience):
            return await _collect(request, limit)
    except TimeoutError:
        raise answers.Refusal(408, f"the body took longer than {patience:g} s", _LAST_WORD) from None
    except ClientDisconnect:
        raise answers.Refusal(400, "the connection closed before the body was complete") from None


def _is_here(request: Request) -> bool:
    """Whether the body came with its head, as nearly all do, so that nothing is waited for: uvicorn's cycle knows."""
    cycle = getattr(request.receive, "__self__", None)
    return not getattr(cycle, "more_body", True)


async def _collect(request: Request, limit: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    more = True
    while more:  # as Request.stream does, without a generator
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > limit:
            raise _too_large(limit)
        more = message.get("more_body", False)
    return b"".join(chunks)


def _check_length(text: str, limit: int) -> None:
    if text.isascii() and text.isdigit() and (len(text) > 18 or int(text) > limit):  # noqa: PLR2004 - digits
        raise _too_large(limit)


def _check_type(headers: Mapping[str, str]) -> None:
    given = headers.get("content-type", "")
    if given == _PLAIN and "content-encoding" not in headers:
        return
    kind, *parameters = (part.strip().lower() for part in given.split(";"))
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise _unread(f"header content-type is {_short(given)}: send application/json")
    charset = [value for value in parameters if value.startswith("charset=")]
    if charset and charset[0].removeprefix("charset=").strip('"') not in {"utf-8", "utf8"}:
        raise _unread(f"header content-type says {_short(charset[0])}: send UTF-8")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise _unread("header content-encoding: send the body as it is, without compression")


def _too_large(limit: int) -> answers.Refusal:
    return answers.Refusal(413, f"the body is larger than gateway.max_body = {limit:,} bytes", _LAST_WORD)


def _unread(reason: str) -> answers.Refusal:
    return answers.Refusal(415, reason, _LAST_WORD)


def _short(text: str) -> str:
    return repr(text[:80]) if text else "missing"
