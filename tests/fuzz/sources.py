"""What each parser of the courier's sources promises: sound values or Temporary, whatever came before."""

import contextlib
import importlib
import math
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from concierge_courier.sources import port
from concierge_proto import errors, messages

SEEDS = (
    b'# TYPE s summary\ns{quantile="0.5",a="\\"x\\n"} 1.5\ns_sum 2\ns_count 5 1 # {a="b"} 1 2\n# EOF\n',
    b'# TYPE h histogram\nh_bucket{le="+Inf"} 3\nh_count 3\n\fh_bucket{le="+Inf"} 4\n{"a.b","c"="d"} NaN\n',
    b'# HELP a b\na{b="c"} 1 5\n\xef\xbb\xbfd 2\r\n\f# HELP a b\na{b="c"} 2 6\nd 3\n\fa{b="c"}3\n',
    b'{"gauges": {"g": {"value": 1}}, "timers": {"t": {"count": 1, "p99": 2.5}}}',
    b'{"version": "4.0.0", "gauges": {"g": {"error": "x"}}, "counters": {"c": {"count": NaN}}, "meters": {}}',
    b'{"db": {"healthy": false, "message": "no"}}',
    b'{"a": [1, true, null, "x", {"b": -1e5}]}',
    b'{"mem": 123, "gauge.response.root": 4.5, "counter.status.200.root": 7}',
)
PAGES = b"\f"
"""Between the pages that one source shows one after the other."""
_CHUNK = 7
"""Bytes, of what is read bit by bit."""

Decode = Callable[[bytes], port.Reading]


def check(name: str) -> Callable[[bytes], None]:
    """Return what fails when a parser of that name breaks its promise."""
    room = importlib.import_module(f"concierge_courier.sources.{name}")

    def judge(data: bytes) -> None:
        remembering = [_whole(room), _bit_by_bit(room)]
        for page in data.split(PAGES):
            first = _outcome(_whole(room), page)
            for again in [_outcome(decode, page) for decode in remembering]:
                if first != again:
                    raise AssertionError(f"{page!r} reads as {again}, at first as {first}")

    return judge


def _whole(room: Any) -> Decode:
    if not hasattr(room, "Decoder"):
        decode: Decode = room.decode
        return decode
    made: Any = room.Decoder()
    return lambda body: made.decode(body, "fuzz")


def _bit_by_bit(room: Any) -> Decode:
    made: Any = room.Decoder() if hasattr(room, "Decoder") else None
    if not hasattr(made, "stream"):
        return _whole(room)
    return lambda body: made.stream(_chopped(body), "fuzz")


def _chopped(body: bytes) -> Iterable[bytes]:
    return (body[at : at + _CHUNK] for at in range(0, len(body), _CHUNK))


def _outcome(decode: Decode, page: bytes) -> port.Reading | str:
    with contextlib.suppress(errors.Temporary):
        reading = decode(page)
        for block in reading.blocks:
            _sound(block)
        return reading
    return "refused"


def _sound(block: messages.Block) -> None:
    sent = msgspec.msgpack.decode(msgspec.msgpack.encode(block), type=messages.Block)
    finite = all(math.isfinite(value) for value in block.values if isinstance(value, float))
    if sent != block or not finite or len(set(block.names)) != len(block.names):
        raise AssertionError(f"no sound block: {block}")
