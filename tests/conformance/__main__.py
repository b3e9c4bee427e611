"""Holds the courier's reader against the public OpenMetrics test data, outside CI: nothing of theirs is kept here."""

import argparse
import collections
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tests.conformance import verdict
from tests.unit.courier import pages

GUIDE = """\
DIR is a checkout of the repository OpenObservability/OpenMetrics on GitHub, or its folder tests/testdata/parsers:

    git clone --depth 1 REPOSITORY /tmp/openmetrics
    python -m tests.conformance /tmp/openmetrics

Each case is a folder with a page (`metrics`) and the format's word on it (`test.json`, shouldParse). The table says of
each what the courier does, and what prometheus_client does:

    agrees    read with the same values; or not valid, and refused or counted as unusable
    by rule   not valid, and read all the same, because of a rule of docs/courier.md
    defect    all else, a sample that vanishes too

Exit code: 0 without a defect, 1 with one, 2 when there is no case, or half of one."""

Row = tuple[str, str, str, str]


class Test(msgspec.Struct, rename="camel"):
    """A test.json."""

    should_parse: bool
    file: str = "metrics"


def main() -> int:
    told = argparse.ArgumentParser(
        "python -m tests.conformance",
        description=__doc__,
        epilog=GUIDE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    told.add_argument("folder", metavar="DIR", type=Path)
    told.add_argument("--json", action="store_true", help="print the table as JSON")
    chosen = told.parse_args()
    try:
        rows = list(judged(chosen.folder))
    except (OSError, ValueError) as error:  # msgspec's are ValueErrors
        print(f"{chosen.folder} is no whole checkout: {error}", file=sys.stderr)
        return 2
    if not rows:
        print(f"{chosen.folder}: no folder NAME with metrics and test.json; see --help", file=sys.stderr)
        return 2
    print(_document(rows) if chosen.json else _table(rows))
    return int(any(word == verdict.DEFECT for _, word, _, _ in rows))


def judged(folder: Path) -> Iterator[Row]:
    """Yield name, verdict, what prometheus_client does, and why."""
    for test in sorted(folder.rglob("test.json")):
        told = msgspec.json.decode(test.read_bytes(), type=Test)
        text = test.with_name(told.file).read_bytes().decode()
        name = test.parent.name
        found = verdict.judge(name, text, valid=told.should_parse)
        yield name, found.word, "refuses" if pages.broken(text) else "reads", found.why


def _document(rows: list[Row]) -> str:
    keys = ("case", "verdict", "prometheus_client", "why")
    return msgspec.json.encode([dict(zip(keys, row, strict=True)) for row in rows]).decode()


def _table(rows: list[Row]) -> str:
    lines = [f"{name:<45} {word:<8} {oracle:<8} {why}" for name, word, oracle, why in rows]
    counts = collections.Counter(word for _, word, _, _ in rows)
    return "\n".join([*lines, "", ", ".join(f"{many} {word}" for word, many in counts.items())])


if __name__ == "__main__":
    raise SystemExit(main())
