"""The container's facts: the same from both versions of control groups; absent is absent."""

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from concierge_courier.sources import container, mounts, port
from concierge_proto import errors, messages, metric
from tests.unit.courier import trees

LIMITS = port.Limits(patience=2.0, size=1000)
CONTAINER = "sys/fs/cgroup/"
VOLUME = os.statvfs_result((4096, 1024, 1000, 400, 300, 100, 90, 90, 4096, 255))
"""Block sizes, blocks, free, available, inodes, free, available."""

SAME = {
    "system.cpu.load[all,avg1]": 8.48,
    "system.cpu.load[all,avg5]": 4.66,
    "system.cpu.load[all,avg15]": 4.23,
    "container.cpu.user": 0.8,
    "container.cpu.system": 0.2,
    "container.cpu.periods": 50,
    "container.cpu.throttled": 42,
    "container.cpu.throttled_time": 3.3,
    "container.cpu.limit": 0.2,
    "container.memory.usage": 67108864,
    "container.memory.working_set": 33554432,
    "container.memory.limit": 134217728,
    "container.memory.pused": 25.0,
    "container.memory.peak": 100663296,
    "container.memory.anon": 20971520,
    "container.memory.file": 41943040,
    "container.memory.swap": 0,
    "container.memory.limit_hits": 17,
    "container.memory.oom_kills": 2,
    "container.pids.current": 3,
    "container.pids.limit": 100,
    "container.pids.limit_hits": 5,
    "container.io.read_bytes": 8704,
    "container.io.written_bytes": 4096,
    "container.io.reads": 3,
    "container.io.writes": 1,
}

Cells = dict[tuple[str, str], messages.Value]


async def read(root: Path, tree: Mapping[str, str], ask: mounts.Ask = lambda _: VOLUME) -> dict[str, Cells]:
    """Return kind to (name, field) to value of a container that shows this tree."""
    return cells(
        await container.Container("container", trees.plant(root, tree), ask).read(LIMITS, lambda: None)
    )


def cells(reading: port.Reading) -> dict[str, Cells]:
    assert all(block.source == "container" for block in reading.blocks)
    return {
        block.kind: {(name, field): value for name, field, value in block.cells()} for block in reading.blocks
    }


def items(found: Mapping[str, Cells]) -> dict[str, messages.Value]:
    return {name: value for (name, _), value in found["item"].items()}


@pytest.mark.parametrize("tree", [trees.ONE, trees.TWO], ids=["version 1", "version 2"])
async def test_both_versions_say_the_same(tmp_path: Path, tree: Mapping[str, str]) -> None:
    found = items(await read(tmp_path, tree))
    usage = found.pop("container.cpu.usage")
    assert usage == pytest.approx(1.04947, abs=1e-5)
    assert found == pytest.approx(SAME)


@pytest.mark.parametrize("tree", [trees.ONE, trees.TWO], ids=["version 1", "version 2"])
async def test_what_has_a_name_of_its_own_is_discovered(tmp_path: Path, tree: Mapping[str, str]) -> None:
    found = await read(tmp_path, tree)
    assert found["device"] == {
        ("vda", "read_bytes"): 8192,
        ("vda", "written_bytes"): 4096,
        ("vda", "reads"): 2,
        ("vda", "writes"): 1,
        ("7:0", "read_bytes"): 512,
        ("7:0", "written_bytes"): 0,
        ("7:0", "reads"): 1,
        ("7:0", "writes"): 0,
    }
    assert found["interface"] == {
        ("eth0", "in_bytes"): 1048576,
        ("eth0", "in_packets"): 1024,
        ("eth0", "in_errors"): 1,
        ("eth0", "in_dropped"): 2,
        ("eth0", "out_bytes"): 524288,
        ("eth0", "out_packets"): 512,
        ("eth0", "out_errors"): 3,
        ("eth0", "out_dropped"): 4,
    }
    assert {name for name, _ in found["filesystem"]} == {"/", "/data of shop", "/dev/shm"}


async def test_fullness_is_what_df_and_zabbix_call_it(tmp_path: Path) -> None:
    found = (await read(tmp_path, trees.TWO))["filesystem"]
    row = {field: value for (name, field), value in found.items() if name == "/data of shop"}
    assert row == {
        "total": 1000 * 1024,
        "used": 600 * 1024,
        "free": 300 * 1024,
        "pused": pytest.approx(100 * 600 / 900),
        "inodes": 100,
        "inodes_used": 10,
        "inodes_pused": pytest.approx(10.0),
    }


async def test_a_filesystem_without_inodes_or_size(tmp_path: Path) -> None:
    def ask(path: str) -> os.statvfs_result:
        none = [1024, 1024, 0, 0, 0, 0, 0, 0, 0, 255]
        endless = [1024, 1024, 10, 5, 5, 0, 0, 0, 0, 255]
        return os.statvfs_result(none if path.endswith("shm") else endless)

    found = (await read(tmp_path, trees.TWO, ask))["filesystem"]
    assert {name for name, _ in found} == {"/", "/data of shop"}
    assert {field for _, field in found} == {"total", "used", "free", "pused"}


async def test_no_limit_is_absent(tmp_path: Path) -> None:
    one = {
        **trees.ONE,
        f"{CONTAINER}memory/memory.limit_in_bytes": "9223372036854771712\n",
        f"{CONTAINER}memory/memory.stat": "hierarchical_memory_limit 9223372036854771712\n",
        f"{CONTAINER}cpu/cpu.cfs_quota_us": "-1\n",
        f"{CONTAINER}pids/pids.max": "max\n",
    }
    two = {
        **trees.TWO,
        f"{CONTAINER}memory.max": "max\n",
        f"{CONTAINER}cpu.max": "max 100000\n",
        f"{CONTAINER}pids.max": "max\n",
    }
    for number, tree in enumerate((one, two)):
        found = items(await read(tmp_path / str(number), tree))
        assert not {name for name in found if name.endswith((".limit", ".pused"))}
        assert found["container.memory.usage"] == 67108864


async def test_a_limit_of_the_group_above_counts(tmp_path: Path) -> None:
    tree = {**trees.ONE, f"{CONTAINER}memory/memory.limit_in_bytes": "9223372036854771712\n"}
    assert items(await read(tmp_path, tree))["container.memory.limit"] == 134217728


async def test_a_file_that_is_missing_takes_only_its_own_away(tmp_path: Path) -> None:
    everything = set(SAME) | {"container.cpu.usage"}
    tree = trees.without(trees.TWO, "memory.peak", "memory.events", "io.stat", "loadavg", "net/dev")
    found = await read(tmp_path, tree)
    missing = everything - set(items(found))
    assert missing == {
        *("container.memory.peak", "container.memory.limit_hits", "container.memory.oom_kills"),
        *(name for name in SAME if name.startswith(("container.io.", "system."))),
    }
    assert set(found) == {"item", "filesystem"}


async def test_a_zero_of_a_kernel_that_does_not_count_is_absent(tmp_path: Path) -> None:
    """Seen on 6.18: version 1 counts block I/O only where something is throttled."""
    name = f"{CONTAINER}blkio/blkio.throttle.io_service"
    found = await read(
        tmp_path,
        {**trees.ONE, f"{name}_bytes_recursive": "Total 0\n", f"{name}d_recursive": "Total 0\n"},
    )
    assert "device" not in found
    assert not {key for key in items(found) if key.startswith("container.io.")}


async def test_limits_that_a_kernel_does_not_count_are_absent(tmp_path: Path) -> None:
    """Seen on 6.18: version 1 says 0 even after it has killed."""
    memory = f"{CONTAINER}memory/memory."
    tree = {**trees.ONE, f"{memory}failcnt": "0\n", f"{memory}memsw.failcnt": "0\n"}
    assert "container.memory.limit_hits" not in items(await read(tmp_path, tree))


async def test_nothing_read_yet_is_a_zero_of_version_2(tmp_path: Path) -> None:
    found = items(await read(tmp_path, {**trees.TWO, f"{CONTAINER}io.stat": ""}))
    assert found["container.io.read_bytes"] == 0


async def test_a_machine_without_control_groups_still_has_the_rest(tmp_path: Path) -> None:
    tree = {path: text for path, text in trees.TWO.items() if not path.startswith(CONTAINER)}
    tree["proc/self/mountinfo"] = trees.COMMON_MOUNTS
    found = await read(tmp_path, tree)
    assert set(items(found)) == {name for name in SAME if name.startswith("system.")}
    assert "interface" in found


async def test_rubbish_is_absent(tmp_path: Path) -> None:
    rubbish = {path: "rubbish \x00\n= : 1 2 3\n" for path in trees.TWO if path.startswith(CONTAINER)}
    more = {"proc/loadavg": "a b", "proc/net/dev": "a\nb\n eth0: x y"}
    found = await read(tmp_path, {**trees.TWO, **rubbish, **more})
    assert not {name for name in items(found) if not name.startswith("container.io.")}
    assert not found.get("interface")


async def test_no_proc_at_all_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(errors.Temporary, match=r"cannot find the control groups: .*No such file"):
        await read(tmp_path, {})


async def test_version_2_on_the_machine_itself(tmp_path: Path) -> None:
    """Without a namespace the path of /proc/self/cgroup leads to the group."""
    service = "sys/fs/cgroup/system.slice/shop.service/"
    moved = {path.replace(CONTAINER, service): text for path, text in trees.TWO.items()}
    tree = {**moved, "proc/self/cgroup": "0::/system.slice/shop.service\n"}
    assert items(await read(tmp_path, tree))["container.memory.limit"] == 134217728


async def test_an_init_that_moved_to_a_group_of_its_own_is_still_the_container(tmp_path: Path) -> None:
    tree = {
        **trees.TWO,
        "proc/self/cgroup": "0::/init.scope\n",
        f"{CONTAINER}init.scope/memory.current": "1\n",
    }
    assert items(await read(tmp_path, tree))["container.memory.usage"] == 67108864


async def test_both_versions_side_by_side(tmp_path: Path) -> None:
    """A hybrid has a group of version 2 without controllers."""
    unified = "31 30 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
    tree = {
        **trees.ONE,
        "proc/self/mountinfo": trees.ONE["proc/self/mountinfo"] + unified,
        f"{CONTAINER}unified/cgroup.events": "populated 1\n",
    }
    assert items(await read(tmp_path, tree))["container.memory.usage"] == 67108864


async def test_a_filesystem_that_hangs_takes_only_the_filesystems_away(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    over = threading.Event()

    def hangs(path: str) -> os.statvfs_result:
        over.wait(30)
        return VOLUME

    source = container.Container("container", trees.plant(tmp_path, trees.TWO), hangs)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            found = cells(await source.read(port.Limits(0.2, 1000), lambda: None))
            assert items(found)["container.pids.current"] == 3
            assert "filesystem" not in found
    assert len(caplog.messages) == 1
    over.set()
    async with asyncio.timeout(5):
        while "filesystem" not in cells(await source.read(LIMITS, lambda: None)):
            await asyncio.sleep(0.01)


async def test_the_time_is_taken_at_the_start(tmp_path: Path) -> None:
    heard: list[str] = []

    def ask(path: str) -> os.statvfs_result:
        heard.append("read")
        return VOLUME

    started: Callable[[], None] = lambda: heard.append("started")  # noqa: E731 - a callback
    await container.Container("c", trees.plant(tmp_path, trees.TWO), ask).read(LIMITS, started)
    assert heard[0] == "started"


async def test_every_key_can_be_named_in_a_configuration(tmp_path: Path) -> None:
    for kind, found in (await read(tmp_path, trees.TWO)).items():
        for name, field in found:
            assert metric.parse(f"{kind}[{name},{field}]") == (kind, name, field)


async def test_this_very_machine() -> None:
    found = cells(await container.source("container", "").read(LIMITS, lambda: None))
    assert items(found)["system.cpu.load[all,avg1]"] >= 0  # type: ignore[operator]
    assert {field for name, field in found["filesystem"] if name == "/"} >= {"total", "used", "free", "pused"}
