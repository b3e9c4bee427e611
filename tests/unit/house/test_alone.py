"""Each room stands alone: it imports with its own dependencies in sight and nothing else.

The environment of development holds everything, so that a missing dependency would not show. Here a wall
hides what a room has not asked for.
"""

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from tests.unit.house import tree

WALL = Path(__file__).with_name("wall.py")
ALL = {"nats", "zabbix", "prometheus", "embedded"}


def closure(name: str, extras: frozenset[str]) -> set[NormalizedName]:
    """The distributions that are installed with `name`."""
    todo = [(canonicalize_name(name), extras)]
    done: set[tuple[NormalizedName, frozenset[str]]] = set()
    while todo:
        at = todo.pop()
        if at not in done:
            done.add(at)
            todo += needed(*at)
    return {name for name, _ in done}


def needed(name: str, extras: frozenset[str]) -> list[tuple[NormalizedName, frozenset[str]]]:
    asked = [Requirement(text) for text in metadata.requires(name) or []]
    return [
        (canonicalize_name(one.name), frozenset(one.extras))
        for one in asked
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in extras | {""})
    ]


def hidden(visible: set[NormalizedName]) -> list[str]:
    """Top-level modules of all that is installed, but not visible."""
    owners = {
        module: {canonicalize_name(name) for name in names}
        for module, names in metadata.packages_distributions().items()
    }
    owners |= {f"concierge_{room}": {canonicalize_name(f"concierge-{room}")} for room in tree.ROOMS}
    return sorted(module for module, names in owners.items() if not names & visible)


def walk(room: str, extras: set[str], *leave_out: str) -> subprocess.CompletedProcess[str]:
    """Import every module of a room behind the wall."""
    visible = closure(f"concierge-{room}", frozenset(extras))
    order = {"package": f"concierge_{room}", "hidden": hidden(visible), "leave_out": leave_out}
    return subprocess.run(
        [sys.executable, "-I", str(WALL), json.dumps(order)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("room", tree.ROOMS)
def test_a_room_imports_alone(room: str) -> None:
    done = walk(room, ALL)
    assert done.returncode == 0, done.stderr


def test_the_words_need_msgspec_alone() -> None:
    done = walk("proto", set(), "concierge_proto.bus")
    assert done.returncode == 0, done.stderr
    assert closure("concierge-proto", frozenset()) == {"concierge-proto", "msgspec"}


def test_the_courier_carries_two_libraries() -> None:
    carried = closure("concierge-courier", frozenset())
    assert carried == {"concierge-courier", "concierge-proto", "msgspec", "nats-py"}


def test_the_wall_stands() -> None:
    """Without its extra the door to NATS does not open."""
    done = walk("proto", set())
    assert done.returncode != 0
    assert "nats is not among the room's dependencies" in done.stderr
