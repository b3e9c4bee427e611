"""The kernel's count of what it killed for want of memory, in both versions of cgroups."""

from pathlib import Path

import pytest

from concierge_courier import oom

V1 = ("sys/fs/cgroup/memory", "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill {}\n")
V2 = ("sys/fs/cgroup", "memory.events", "low 0\nhigh 0\nmax 9\noom 9\noom_kill {}\noom_group_kill 0\n")
Layout = tuple[str, str, str]


def write(root: Path, layout: Layout, group: str, count: int) -> None:
    folder, name, text = layout
    path = root / folder / group / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.format(count))


def groups(root: Path, text: str) -> None:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(text)


@pytest.mark.parametrize("layout", [V1, V2])
def test_a_kill_is_seen(tmp_path: Path, layout: Layout) -> None:
    write(tmp_path, layout, "", 4)
    kills = oom.Kills(tmp_path)
    assert not kills.more()
    write(tmp_path, layout, "", 5)
    assert kills.more()


@pytest.mark.parametrize(
    ("layout", "line"), [(V1, "4:memory:/docker/abc\n1:cpu:/\n0::/\n"), (V2, "0::/docker/abc\n")]
)
def test_beside_others_only_our_own_group_counts(tmp_path: Path, layout: Layout, line: str) -> None:
    groups(tmp_path, line)
    write(tmp_path, layout, "", 0)
    write(tmp_path, layout, "docker/abc", 0)
    kills = oom.Kills(tmp_path)
    write(tmp_path, layout, "", 1)
    assert not kills.more()
    write(tmp_path, layout, "docker/abc", 1)
    assert kills.more()


@pytest.mark.parametrize("text", ["", "oom_kill", "oom_kill many\n", "oom 3\n"])
def test_where_nobody_counts_nothing_was_killed(tmp_path: Path, text: str) -> None:
    write(tmp_path, ("sys/fs/cgroup", "memory.events", text), "", 0)
    assert not oom.Kills(tmp_path).more()


def test_without_cgroups() -> None:
    assert not oom.Kills(Path("/nonexistent")).more()
