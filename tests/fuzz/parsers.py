"""Feed one parser of the courier with what its own branches ask for, for as long as one likes.

    python -m tests.fuzz.parsers prometheus -max_total_time=300

Coverage leads it where atheris is installed (`pip install atheris`; everything behind the parser's name is
libFuzzer's); without it hypothesis takes 100,000 examples. It ends at the first input that is neither read
nor refused with Temporary, or that reads otherwise because of the page before it.
"""

import contextlib
import importlib
import math
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

NAMES = ("prometheus", "dropwizard", "flat", "forms", "healthchecks", "spring")
SEEDS = (
    b'# TYPE s summary\ns{quantile="0.5",a="\\"x\\n"} 1.5\ns_sum 2\ns_count 5 1 # {a="b"} 1 2\n# EOF\n',
    b'# TYPE h histogram\nh_bucket{le="+Inf"} 3\nh_count 3\n\fh_bucket{le="+Inf"} 4\n{"a.b","c"="d"} NaN\n',
    b'{"gauges": {"g": {"value": 1}}, "timers": {"t": {"count": 1, "p99": 2.5}}}',
    b'{"db": {"healthy": false, "message": "no"}}',
    b'{"a": [1, true, null, "x", {"b": -1e5}]}',
)
PAGES = b"\f"
"""Between the pages that one source shows one after the other."""

Decode = Callable[[bytes], Any]


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in NAMES:
        raise SystemExit(f"which parser? {', '.join(NAMES)}")
    try:
        atheris: Any = importlib.import_module("atheris")
    except ImportError:
        _without(name)
        return
    with atheris.instrument_imports(include=["concierge_courier"]):
        room = _room(name)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        for at, seed in enumerate(SEEDS):
            Path(folder, str(at)).write_bytes(seed)
        atheris.Setup([sys.argv[0], *sys.argv[2:], folder], lambda data: check(room, data))
        atheris.Fuzz()


def _without(name: str) -> None:
    hypothesis = importlib.import_module("hypothesis")
    inputs = importlib.import_module("hypothesis.strategies")
    room = _room(name)
    pieces = inputs.sampled_from([*SEEDS, PAGES, *(bytes([byte]) for byte in b'{}[]",:=\\# \n1')])
    bodies = inputs.lists(pieces | inputs.binary(max_size=8)).map(b"".join)
    profile = hypothesis.settings(max_examples=100_000, deadline=None, database=None)
    profile(hypothesis.given(bodies)(lambda data: check(room, data)))()


def _room(name: str) -> ModuleType:
    return importlib.import_module(f"concierge_courier.sources.{name}")


def check(room: ModuleType, data: bytes) -> None:
    """Hold one parser to its promise: sound values or Temporary, whatever came before."""
    remembering = _decoder(room)
    for page in data.split(PAGES):
        first = _outcome(_decoder(room), page)
        again = _outcome(remembering, page)
        if first != again:
            raise AssertionError(f"{page!r} reads as {again}, at first as {first}")


def _decoder(room: ModuleType) -> Decode:
    if not hasattr(room, "Decoder"):
        decode: Decode = room.decode
        return decode
    made = room.Decoder()
    return lambda body: made.decode(body, "fuzz")


def _outcome(decode: Decode, page: bytes) -> Any:
    temporary = importlib.import_module("concierge_proto.errors").Temporary
    with contextlib.suppress(temporary):
        reading = decode(page)
        for block in reading.blocks:
            _sound(block)
        return reading
    return "refused"


def _sound(block: Any) -> None:
    msgpack = importlib.import_module("msgspec.msgpack")
    sent = msgpack.decode(msgpack.encode(block), type=type(block))
    finite = all(math.isfinite(value) for value in block.values if isinstance(value, float))
    if sent != block or not finite or len(set(block.names)) != len(block.names):
        raise AssertionError(f"no sound block: {block}")


if __name__ == "__main__":
    main()
