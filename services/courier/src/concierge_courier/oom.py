"""Whether the kernel killed something here for want of memory: the cgroup's own count, version 1 and 2."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/")


class Kills:
    """Compares the count with what it was at the start."""

    def __init__(self, root: Path = _ROOT) -> None:
        self._file = next((path for path in _files(root) if path.is_file()), None)
        self._before = self._count()

    def more(self) -> bool:
        """Return whether something was killed since the start; False where nobody counts."""
        return self._count() > self._before

    def _count(self) -> int:
        with contextlib.suppress(OSError, ValueError):
            for line in self._file.read_text().splitlines() if self._file else ():
                if line.startswith("oom_kill "):
                    return int(line.split()[1])
        return 0


def _files(root: Path) -> Iterator[Path]:
    """Yield where the count may stand: under our own group, or, in a container, at the top."""
    mounted = root / "sys/fs/cgroup"
    v1, v2 = _groups(root)
    for folder in (v1, ""):
        yield mounted / "memory" / folder / "memory.oom_control"
    for folder in (v2, ""):
        yield mounted / folder / "memory.events"


def _groups(root: Path) -> tuple[str, str]:
    """Return our group in the memory hierarchy of version 1, and in version 2."""
    found = {"memory": "", "": ""}
    with contextlib.suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, kinds, path = line.split(":", 2)
            for kind in kinds.split(","):
                found[kind] = path.lstrip("/")
    return found["memory"], found[""]
