"""The application's process, and the tree below it: memory, CPU, files, threads.

process[application,rss]: bytes and seconds; `cpu` only grows. `tree_…` is the sum over it and everything
below it; its `cpu` counts what has ended as long as somebody in the tree waited for it.
"""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from concierge_courier.sources import aside, cgroup, port
from concierge_proto import errors, messages

_TREE = ("tree_processes", "tree_rss", "tree_cpu", "tree_threads", "tree_fds")
_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_APPLICATION = "application"
_MANY = 1000
"""Processes in sight, of which each costs 15 µs: with more than that the tree is left out."""


def source(name: str, location: str) -> port.Source:
    """`location` is a pid, or a file that holds one; empty: the courier's child."""
    return Process(name, location)


class Process:
    """Reads /proc."""

    def __init__(self, name: str, location: str, proc: Path = Path("/proc")) -> None:
        self.name = name
        self._proc = proc
        self._aside = aside.Aside(f"source {name}")
        self._pid: Callable[[], int] = lambda: 0
        self._watches = not location
        if location.isdecimal():
            self._pid = lambda: int(location)
        elif location:
            self._pid = lambda: _written(Path(location))

    def watch(self, pid: Callable[[], int]) -> None:
        """The application's pid, unless another one was asked for."""
        if self._watches:
            self._pid = pid

    async def read(self, _limits: port.Limits, started: port.Started) -> port.Reading:
        pid = self._pid()
        if not pid:
            raise errors.Temporary(
                "no application runs here: start it behind --, or say process=PID or =PIDFILE"
            )
        started()
        return port.Reading((await self._aside.run(lambda: self._read(pid), lambda: None),))

    def _read(self, pid: int) -> messages.Block:
        row = look(self._proc, pid)
        name = _APPLICATION if self.name == "process" else self.name
        return messages.Block(
            kind="process", fields=tuple(row), names=(name,), values=tuple(row.values()), source=self.name
        )


class _Stat(NamedTuple):
    """One line of /proc/PID/stat."""

    pid: int
    parent: int
    user: int
    system: int
    waited: int
    """Ticks of the children that it waited for."""
    threads: int
    pages: int


def look(proc: Path, pid: int) -> dict[str, messages.Value | None]:
    """Return field to value of a process and its tree; raise Temporary when it is gone."""
    one = _stat(proc / str(pid))
    if one is None:
        raise errors.Temporary(f"process {pid} has ended")
    mine: dict[str, messages.Value | None] = {
        "rss": one.pages * _PAGE,
        "cpu": (one.user + one.system) / _TICK,
        "user": one.user / _TICK,
        "system": one.system / _TICK,
        "threads": one.threads,
        "fds": _fds(proc, [pid]),
        "fds_limit": _fds_limit(proc / str(pid)),
    }
    return {**mine, **_sums(proc, tree(proc, one))}


def tree(proc: Path, top: _Stat) -> list[_Stat]:
    """Return a process and everything below it; empty when too many are in sight."""
    entries = [entry.name for entry in os.scandir(proc) if entry.name.isdecimal()]
    if len(entries) > _MANY:
        return []
    below: dict[int, list[_Stat]] = {}
    for stat in filter(None, (_stat(proc / entry) for entry in entries)):
        below.setdefault(stat.parent, []).append(stat)
    found = [top]
    for stat in found:
        found.extend(below.pop(stat.pid, ()))
    return found


def _sums(proc: Path, stats: list[_Stat]) -> dict[str, messages.Value | None]:
    if not stats:
        return {}
    ticks = sum(stat.user + stat.system + stat.waited for stat in stats)
    values = (
        len(stats),
        sum(stat.pages for stat in stats) * _PAGE,
        ticks / _TICK,
        sum(stat.threads for stat in stats),
        _fds(proc, (stat.pid for stat in stats)),
    )
    return dict(zip(_TREE, values, strict=True))


def _stat(folder: Path) -> _Stat | None:
    """None when it is gone. The name stands in parentheses and may hold anything, parentheses too."""
    try:
        text = (folder / "stat").read_text("ascii", "replace")
        words = text.rpartition(")")[2].split()
        numbers = [int(words[at]) for at in (1, 11, 12, 13, 14, 17, 21)]
    except (OSError, ValueError, IndexError):
        return None
    parent, user, system, waited_user, waited_system, threads, pages = numbers
    return _Stat(int(folder.name), parent, user, system, waited_user + waited_system, threads, pages)


def _fds(proc: Path, pids: Iterable[int]) -> int | None:
    """Return open files of all that still run; None when those of one may not be seen."""
    total = 0
    for pid in pids:
        try:
            total += sum(1 for _ in (proc / str(pid) / "fd").iterdir())
        except PermissionError:
            return None
        except OSError:  # it has ended meanwhile
            continue
    return total


def _fds_limit(folder: Path) -> int | None:
    try:
        lines = (folder / "limits").read_text("ascii", "replace").splitlines()
    except OSError:
        return None
    limits = (line.split()[3] for line in lines if line.startswith("Max open files"))
    return cgroup.whole(next(limits, None))


def _written(path: Path) -> int:
    try:
        return int(path.read_text("ascii"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no number in it"
        raise errors.Temporary(f"cannot read a pid from {path}: {reason}") from error
