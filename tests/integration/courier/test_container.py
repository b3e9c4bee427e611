"""A real container with bounds: what the courier reads there is what was done to it."""

import asyncio
import json
import os
from typing import Any

import pytest

from tests import containers, image, peer

pytestmark = pytest.mark.xdist_group("courier-container")  # they share one container

BURN = "import time\nwhile time.process_time() < 0.3: pass"
EAT = "b'x' * 300_000_000"
SCRIPT = f"""
look() {{ python3 -m concierge_courier run --dry-run --json --source container --source process=1; }}
look
python3 -c '{BURN}'
python3 -c "{EAT}"
echo "eaten: $?" >&2
head -c 1000000 /dev/zero > /volume/file
look
"""
BOUNDS = ("--memory", "128m", "--memory-swap", "128m", "--cpus", "0.2", "--pids-limit", "50")

STARVED = os.getloadavg()[0] > 2 * (os.cpu_count() or 1)
"""The machine has so much else to do that nobody reaches a limit of his own."""

Found = dict[str, Any]


@pytest.fixture(scope="module")
def twice() -> tuple[Found, Found]:
    """Return what was read before and after a burn, an out-of-memory kill, and a megabyte on a volume."""
    tag = image.courier_image(peer.need("docker"), peer.need("image"))
    words = ("run", "--rm", *BOUNDS, "--volume", "/volume", "--tmpfs", "/scratch:size=8m", tag)
    printed = asyncio.run(containers.docker(*words, "sh", "-c", SCRIPT))
    decoder = json.JSONDecoder()
    first, end = decoder.raw_decode(printed)
    return metrics(first), metrics(decoder.raw_decode(printed[end:].lstrip())[0])


def metrics(dry_run: Found) -> Found:
    """Return `NAME` or `KIND[NAME,FIELD]` to value."""
    found: Found = {}
    for block in dry_run["snapshot"]["blocks"]:
        fields = block["fields"]
        for at, value in enumerate(block["values"]):
            name = block["names"][at // len(fields)]
            key = name if block["kind"] == "item" else f"{block['kind']}[{name},{fields[at % len(fields)]}]"
            found[key] = value
    return found


def test_the_bounds_are_read(twice: tuple[Found, Found]) -> None:
    for found in twice:
        assert found["container.memory.limit"] == 134217728
        assert found["container.cpu.limit"] == pytest.approx(0.2)
        assert found["container.pids.limit"] == 50


def test_a_burn_is_counted_and_so_is_its_throttling(twice: tuple[Found, Found]) -> None:
    before, after = twice
    assert 0.3 < after["container.cpu.usage"] - before["container.cpu.usage"] < 20
    for name in ("container.cpu.throttled", "container.cpu.throttled_time"):
        assert after[name] > before[name] or (STARVED and after[name] == before[name])
    assert after["container.cpu.periods"] > before["container.cpu.periods"]


def test_a_kill_for_want_of_memory_is_counted(twice: tuple[Found, Found]) -> None:
    before, after = twice
    assert before["container.memory.oom_kills"] == 0
    assert after["container.memory.oom_kills"] == 1
    hits = "container.memory.limit_hits"  # not every kernel counts them
    assert hits not in after or after[hits] > before.get(hits, 0)
    assert 120_000_000 < after["container.memory.peak"] <= 134217728


def test_memory_and_processes_are_the_containers_own(twice: tuple[Found, Found]) -> None:
    for found in twice:
        assert (
            5_000_000 < found["container.memory.working_set"] <= found["container.memory.usage"] < 134217728
        )
        assert found["container.memory.pused"] == pytest.approx(
            100 * found["container.memory.working_set"] / 134217728
        )
        assert 2 <= found["container.pids.current"] < 50


def test_interfaces_and_volumes_are_found(twice: tuple[Found, Found]) -> None:
    before, after = twice
    assert after["interface[eth0,in_bytes]"] >= 0
    assert "interface[lo,in_bytes]" not in after
    assert after["filesystem[/scratch,total]"] == 8 * 1024 * 1024
    assert after["filesystem[/volume,total]"] > after["filesystem[/volume,used]"] > 1_000_000
    names = {key for key in before if key.startswith("filesystem") and key.endswith(",pused]")}
    places = ("/", "/volume", "/scratch", "/dev/shm")
    assert names == {f"filesystem[{where},pused]" for where in places}


def test_the_first_process_and_its_tree(twice: tuple[Found, Found]) -> None:
    for found in twice:
        assert 0 < found["process[application,rss]"] < 20_000_000  # the shell
        assert found["process[application,tree_processes]"] >= 2  # and the courier that reads
        assert found["process[application,tree_rss]"] > 20_000_000
        assert found["process[application,fds]"] >= 3
