"""Feed one parser with what its own branches ask for, for as long as one likes.

    python -m tests.fuzz.parsers prometheus -max_total_time=300

Coverage leads it where atheris is installed (`pip install atheris`; everything behind the parser's name is
libFuzzer's); without it hypothesis takes 100,000 examples. It ends at the first input that breaks the promise
of its parser: see `sources` for the courier's, `words` for the contract's.
"""

import importlib
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

SOURCES = ("prometheus", "dropwizard", "flat", "forms", "healthchecks", "spring")
WORDS = ("codec", "metric", "envelope")

Check = Callable[[bytes], None]


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in SOURCES + WORDS:
        raise SystemExit(f"which parser? {', '.join(SOURCES + WORDS)}")
    try:
        atheris: Any = importlib.import_module("atheris")
    except ImportError:
        _without(*_chosen(name))
        return
    with atheris.instrument_imports(include=["concierge_courier", "concierge_proto"]):
        check, seeds = _chosen(name)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        for at, seed in enumerate(seeds):
            Path(folder, str(at)).write_bytes(seed)
        atheris.Setup([sys.argv[0], *sys.argv[2:], folder], check)
        atheris.Fuzz()


def _chosen(name: str) -> tuple[Check, Sequence[bytes]]:
    """Return what judges, and what to begin with. Imported late: coverage counts what is imported under it."""
    if name in SOURCES:
        sources = importlib.import_module("tests.fuzz.sources")
        return sources.check(name), sources.SEEDS
    words = importlib.import_module("tests.fuzz.words")
    return words.check(name), words.SEEDS[name]


def _without(check: Check, seeds: Sequence[bytes]) -> None:
    hypothesis = importlib.import_module("hypothesis")
    inputs = importlib.import_module("hypothesis.strategies")
    pieces = inputs.sampled_from([*seeds, b"\f", *(bytes([byte]) for byte in b'{}[]",:=\\# \n1')])
    bodies = inputs.lists(pieces | inputs.binary(max_size=8)).map(b"".join)
    profile = hypothesis.settings(max_examples=100_000, deadline=None, database=None)
    profile(hypothesis.given(bodies)(check))()


if __name__ == "__main__":
    main()
