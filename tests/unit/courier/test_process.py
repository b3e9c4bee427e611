"""A process and the tree below it, from recorded and from real ones."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from concierge_courier.sources import port, process
from concierge_proto import errors, messages
from tests.unit.courier import trees

LIMITS = port.Limits(patience=2.0, size=1000)
TICK, PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
MANY = "Limit                     Soft Limit           Hard Limit           Units     \n"
OPEN_FILES = "Max open files            1024                 4096                 files     \n"


def stat(pid: int, parent: int, name: str = "java") -> str:
    """Return a line of /proc/PID/stat: 2 s user, 1 s system, 1 + 1 s of children, 7 threads, 100 pages."""
    return (
        f"{pid} ({name}) S {parent} {pid} {pid} 0 -1 4194560 500 0 0 0 {2 * TICK} {TICK} {TICK} {TICK} 20 0 "
        "7 0 12345 2654208 100 18446744073709551615 1 1 0 0 0 0 0 4096 0 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
    )


def family(*pairs: tuple[int, int]) -> dict[str, str]:
    """Return a /proc of (pid, parent) pairs, each with two open files."""
    found: dict[str, str] = {}
    for pid, parent in pairs:
        found |= {
            f"{pid}/stat": stat(pid, parent),
            f"{pid}/limits": MANY + OPEN_FILES,
            f"{pid}/fd/0": "",
            f"{pid}/fd/1": "",
        }
    return found


async def read(proc: Path, pid: int = 10, name: str = "process") -> dict[str, messages.Value]:
    """Return field to value."""
    source = process.Process(name, str(pid), proc)
    (block,) = (await source.read(LIMITS, lambda: None)).blocks
    assert block.kind == "process"
    assert block.names == ("application" if name == "process" else name,)
    return {field: value for _, field, value in block.cells()}


async def test_the_process_and_its_tree(tmp_path: Path) -> None:
    trees.plant(tmp_path, family((1, 0), (10, 1), (11, 10), (12, 11), (20, 1)))
    assert await read(tmp_path) == {
        "rss": 100 * PAGE,
        "cpu": 3.0,
        "user": 2.0,
        "system": 1.0,
        "threads": 7,
        "fds": 2,
        "fds_limit": 1024,
        "tree_processes": 3,
        "tree_rss": 300 * PAGE,
        "tree_cpu": 15.0,
        "tree_threads": 21,
        "tree_fds": 6,
    }


async def test_a_second_source_has_its_own_name(tmp_path: Path) -> None:
    trees.plant(tmp_path, family((10, 1)))
    assert await read(tmp_path, name="worker")


@pytest.mark.parametrize("name", ["a b", "a) S 1 (b", "((", "x\ny", "é"])
async def test_a_name_may_hold_anything(tmp_path: Path, name: str) -> None:
    trees.plant(tmp_path, {**family((10, 1)), "10/stat": stat(10, 1, name)})
    assert (await read(tmp_path))["threads"] == 7


async def test_what_may_not_be_seen_is_absent(tmp_path: Path) -> None:
    tree = family((10, 1))
    trees.plant(tmp_path, {**trees.without(tree, "limits", "fd/0", "fd/1")})
    found = await read(tmp_path)
    assert "fds_limit" not in found
    trees.plant(tmp_path, {"10/limits": MANY + OPEN_FILES.replace("1024     ", "unlimited")})
    assert "fds_limit" not in await read(tmp_path)


async def test_files_of_another_user_are_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(path: Path) -> None:
        raise PermissionError

    trees.plant(tmp_path, family((10, 1)))
    monkeypatch.setattr(Path, "iterdir", forbidden)
    found = await read(tmp_path)
    assert "fds" not in found
    assert "tree_fds" not in found
    assert found["tree_processes"] == 1


async def test_a_crowd_costs_no_tree(tmp_path: Path) -> None:
    trees.plant(tmp_path, family((10, 1)))
    for pid in range(1000, 2001):
        (tmp_path / str(pid)).mkdir()
    found = await read(tmp_path)
    assert "threads" in found
    assert not [field for field in found if field.startswith("tree_")]


async def test_one_that_ended_in_between_is_left_out(tmp_path: Path) -> None:
    trees.plant(tmp_path, {**family((10, 1), (11, 10)), "12/stat": "", "13/stat": "13 (x"})
    assert (await read(tmp_path))["tree_processes"] == 2


@pytest.mark.parametrize("text", ["", "10 (java", "10 (java) S", "10 (java) S x y z"])
async def test_gone_is_a_sentence(tmp_path: Path, text: str) -> None:
    trees.plant(tmp_path, {"10/stat": text})
    with pytest.raises(errors.Temporary, match="process 10 has ended"):
        await read(tmp_path)


async def test_it_follows_the_application() -> None:
    source = process.source("process", "")
    assert isinstance(source, port.Watching)
    with pytest.raises(errors.Temporary, match="no application runs here"):
        await source.read(LIMITS, lambda: None)
    source.watch(os.getpid)
    assert (await source.read(LIMITS, lambda: None)).blocks[0].names == ("application",)


async def test_a_pid_that_was_asked_for_is_kept() -> None:
    source = process.source("other", str(os.getpid()))
    assert isinstance(source, port.Watching)
    source.watch(lambda: 0)
    assert (await source.read(LIMITS, lambda: None)).blocks


async def test_a_pid_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "app.pid"
    source = process.source("process", str(path))
    with pytest.raises(errors.Temporary, match=r"cannot read a pid from .*app\.pid: No such file"):
        await source.read(LIMITS, lambda: None)
    path.write_text("soon\n")
    with pytest.raises(errors.Temporary, match="no number in it"):
        await source.read(LIMITS, lambda: None)
    path.write_text(f"{os.getpid()}\n")
    assert (await source.read(LIMITS, lambda: None)).blocks


async def test_a_real_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_MANY", 10**6)  # this machine may have more than are worth a tree
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "import os; x = bytearray(30_000_000); os.read(0, 1)"),
        stdin=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(10):
            while int((await read(Path("/proc"), child.pid))["rss"]) < 30_000_000:
                await asyncio.sleep(0.01)
        found = await read(Path("/proc"), child.pid)
        mine = await read(Path("/proc"), os.getpid())
    finally:
        await child.communicate(b"x")
    assert 30_000_000 < int(found["rss"]) < 80_000_000
    assert found["threads"] == found["tree_processes"] == 1
    assert int(found["fds"]) >= 3
    assert 0 < float(found["cpu"]) < 10
    assert int(mine["tree_rss"]) > int(mine["rss"])
    assert int(mine["tree_processes"]) >= 2
