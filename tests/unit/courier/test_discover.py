"""Discovery: the full list, when it changed, seldom."""

import json
import os
from pathlib import Path

import pytest

from concierge_courier import discover, sources
from concierge_courier.sources import port
from concierge_proto import messages


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def block(kind: str, *names: str) -> messages.Block:
    return messages.Block(kind=kind, fields=("value",), names=names, values=(1,) * len(names))


def test_said_at_the_first_sight() -> None:
    one = discover.Discoverer(Clock())
    assert one.due() is None
    one.see("app", [block("timer", "b", "a", "a"), block("gauge", "g")])
    assert one.due() == {"gauge": ("g",), "timer": ("a", "b")}
    assert one.due() is None


def test_a_change_is_said_in_full_but_at_most_once_a_minute() -> None:
    clock = Clock()
    one = discover.Discoverer(clock)
    one.see("app", [block("gauge", "a")])
    assert one.due()
    clock.now += 10
    one.see("app", [block("gauge", "a", "b")])
    assert one.due() is None
    clock.now += 51
    assert one.due() == {"gauge": ("a", "b")}
    assert one.due() is None


def test_another_order_of_the_same_names_is_no_change() -> None:
    clock = Clock()
    one = discover.Discoverer(clock)
    one.see("app", [block("gauge", "a", "b")])
    assert one.due()
    clock.now += 100
    one.see("app", [block("gauge", "b", "a")])
    assert one.due() is None


def test_a_name_that_is_gone_is_a_change() -> None:
    clock = Clock()
    one = discover.Discoverer(clock)
    one.see("app", [block("gauge", "a", "b"), block("meter", "m")])
    assert one.due()
    clock.now += 100
    one.see("app", [block("gauge", "a")])
    assert one.due() == {"gauge": ("a",)}


def test_said_again_from_time_to_time() -> None:
    clock = Clock()
    one = discover.Discoverer(clock)
    one.see("app", [block("gauge", "a")])
    assert one.due()
    clock.now += 599
    assert one.due() is None
    clock.now += 2
    assert one.due() == {"gauge": ("a",)}


def test_a_source_that_fails_does_not_take_its_names_away() -> None:
    clock = Clock()
    one = discover.Discoverer(clock)
    one.see("app", [block("gauge", "a")])
    one.see("jvm", [block("gauge", "b")])
    assert one.due() == {"gauge": ("a", "b")}
    clock.now += 100
    one.see("app", [block("gauge", "a", "c")])  # jvm was not read this time
    assert one.due() == {"gauge": ("a", "b", "c")}


def test_static_items_are_not_discovered() -> None:
    assert discover.names([block("item", "courier.elapsed"), block("counter", "c")]) == {"counter": ("c",)}


def test_low_level_discovery_reads_as_zabbix_wants_it() -> None:
    assert json.loads(discover.low_level(['a "b", [c]'])) == [{"{#NAME}": 'a "b", [c]'}]
    assert discover.low_level([]) == "[]"


@pytest.mark.parametrize("kind", ["container", "process", "dropwizard", "prometheus", "health"])
async def test_every_kind_of_a_source_can_be_asked_for(kind: str, tmp_path: Path) -> None:
    here = Path(__file__).parent
    (tmp_path / "health").write_text('{"database": {"healthy": true}}')
    (tmp_path / "prometheus").write_text("# TYPE s summary\ns_sum 1\n# TYPE c counter\nc 1\ng 1\n")
    where = {"container": "", "process": str(os.getpid()), "dropwizard": str(here / "dropwizard4.json")}
    (source,) = sources.make([f"{kind}={where.get(kind, tmp_path / kind)}"])
    reading = await source.read(port.Limits(30, 1_000_000), lambda: None)
    assert {block.kind for block in reading.blocks} - {"item"} <= set(discover.KINDS)


def test_names_that_two_sources_share_are_told_with_the_remedy() -> None:
    def of(source: str, *names: str) -> messages.Block:
        return messages.Block(
            kind="gauge", fields=("value",), names=names, values=(1,) * len(names), source=source
        )

    assert discover.clash([of("shop", "a", "b"), of("jobs", "c")]) == ""
    told = discover.clash([of("shop", "a", "b"), of("jobs", "b", "a")])
    assert "2 names in common, shop and jobs for one gauge 'a'" in told
    assert "--prefix jobs=jobs." in told
