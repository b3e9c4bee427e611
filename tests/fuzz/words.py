"""What the parsers of the contract promise: a message that survives being sent again, or Malformed."""

import contextlib
import itertools
import zlib
from collections.abc import Callable

import msgspec

from concierge_proto import codec, envelope, errors, messages, metric
from tests.unit.proto import samples

ENCODINGS = ("json", "msgpack", "json+zlib", "msgpack+zlib")
_HEAD = 3
"""Bytes that say what the rest is."""
_KINDS = [type(one) for one in samples.ALL]
_BODIES = (
    [msgspec.json.encode(one) for one in samples.ALL],
    [msgspec.msgpack.encode(one) for one in samples.ALL],
)
_HEADERS = (
    "ce-id: 1\nce-type: t\nce-source: /s\nce-time: 2026-03-01T12:00:00Z\ncontent-encoding: deflate",
    "ce-id: %41\nce-type: t\nce-source: /s\nce-time: 2026-03-01T12:00:00+01:00\nce-expirytime: 2026-03-01T12:00:00Z",
)
SEEDS = {
    "codec": [
        bytes([at, encoding, 1]) + body
        for encoding, bodies in enumerate(_BODIES * 2)
        for at, body in enumerate(bodies)
    ],
    "metric": [b"timer[com.example.Shop.checkout,p95]", b'gauge[a{b="c,d"}, value]', b"x[,]", b"a[b]"],
    "envelope": [text.encode() for text in _HEADERS],
}


def check(name: str) -> Callable[[bytes], None]:
    """Return what fails when a parser of that name breaks its promise."""
    return {"codec": _codec, "metric": _metric, "envelope": _envelope}[name]


def _codec(data: bytes) -> None:
    """The first byte says which message, the second how it is written; the third whether zlib's body is made here."""
    if len(data) <= _HEAD:
        return
    kind, encoding = _KINDS[data[0] % len(_KINDS)], ENCODINGS[data[1] % len(ENCODINGS)]
    body = data[_HEAD:]
    if encoding.endswith("+zlib") and data[2] % 2:
        body = zlib.compress(body, 1)
    with contextlib.suppress(errors.Malformed):
        found = codec.decode(kind, body, encoding)
        if encoding.startswith("msgpack") == (kind is messages.Snapshot):
            _sent_again(found)


def _sent_again(found: msgspec.Struct) -> None:
    """Compare bytes: NaN does not equal itself."""
    try:
        sent = codec.encode(found)
        again = codec.encode(codec.decode(type(found), *sent))
    except errors.Malformed as error:
        raise AssertionError(f"{found} can't be sent again: {error}") from error
    if again != sent:
        raise AssertionError(f"{found} comes back as another one")


def _metric(data: bytes) -> None:
    with contextlib.suppress(errors.Malformed):
        found = metric.parse(data.decode("utf-8", "replace"))
        if metric.parse(str(found)) != found:
            raise AssertionError(f"{found!r} is read as {metric.parse(str(found))!r}")


def _envelope(data: bytes) -> None:
    """Headers, a line each."""
    lines = [line.partition(": ") for line in data.decode("utf-8", "replace").split("\n")]
    with contextlib.suppress(errors.Malformed):
        found = envelope.read({name: value for name, _, value in itertools.islice(lines, 50)})
        again = envelope.read(found.headers())
        if again != found:
            raise AssertionError(f"{found} comes back as {again}")
