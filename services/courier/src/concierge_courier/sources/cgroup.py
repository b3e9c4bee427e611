"""Where the kernel keeps account of this container: control groups, version 1, 2, or both side by side."""

import contextlib
import re
from collections.abc import Mapping
from pathlib import Path

_OCTAL = re.compile(r"\\([0-7]{3})")
_VERSION_2 = "cgroup2"
_MOST = 2**63 - 1
_BOUNDED = 2**62
"""Version 1 writes "no limit" as the largest number of pages; no machine has as much."""


class Folder:
    """One control group. What is not there, not readable, or `max` is None."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def text(self, name: str) -> str | None:
        try:
            return (self._path / name).read_text("ascii", "replace")
        except (OSError, ValueError):
            return None

    def number(self, name: str) -> int | None:
        return whole(self.text(name))

    def limit(self, name: str) -> int | None:
        """Return a number; None when there is no limit."""
        return bounded(self.number(name))

    def table(self, name: str) -> dict[str, int]:
        """Return the lines `name number`, empty when there is no such file."""
        rows = (line.split() for line in (self.text(name) or "").splitlines())
        found = {row[0]: whole(row[1]) for row in rows if len(row) == 2}  # noqa: PLR2004 - a name and a number
        return {key: value for key, value in found.items() if value is not None}


class Groups:
    """The groups of this process: one per controller of version 1, and the one of version 2."""

    def __init__(self, one: Mapping[str, Folder], two: Folder | None) -> None:
        self.one = one
        self.two = two


def find(root: Path) -> Groups:
    """Return this process's groups as `root/proc/self` names them; raise OSError when that can't be read."""
    memberships = _memberships((root / "proc/self/cgroup").read_text())
    one: dict[str, Folder] = {}
    two: Folder | None = None
    for line in (root / "proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        kind = right.split(" ", 1)[0]
        fields = left.split()
        if not kind.startswith("cgroup") or len(fields) < 5:  # noqa: PLR2004 - the fifth is where
            continue
        base, mounted = unescape(fields[3]), root / unescape(fields[4]).lstrip("/")
        if kind == _VERSION_2:
            two = Folder(_own(mounted, base, memberships.get("", "/")))
            continue
        for controller in right.split()[-1].split(","):
            if controller in memberships:
                one[controller] = Folder(_inside(mounted, base, memberships[controller]))
    return Groups(one, two)


def _memberships(text: str) -> dict[str, str]:
    """Return controller to path; version 2 is the controller without a name."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        with contextlib.suppress(ValueError):
            _, controllers, path = line.split(":", 2)
            found.update(dict.fromkeys(controllers.split(","), path))
    return found


def _own(mounted: Path, base: str, path: str) -> Path:
    """The top of a namespace is the container, whichever group inside it this process is in."""
    if (mounted / "cgroup.events").exists():  # every group has it but the machine's own
        return mounted
    return _inside(mounted, base, path)


def _inside(mounted: Path, base: str, path: str) -> Path:
    """Return the folder of `path` below a mount whose top is `base`."""
    top = base.rstrip("/") + "/"
    if not f"{path}/".startswith(top):
        return mounted
    found = mounted / path[len(top) :]
    return found if found.is_dir() else mounted


def unescape(text: str) -> str:
    """Return a path of mountinfo, where blanks and backslashes are octal."""
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), text)


def whole(text: str | None) -> int | None:
    """Return a number that every codec can carry; None when it is none, such as `max`."""
    try:
        number = int(text or "")
    except ValueError:
        return None
    return number if -_MOST <= number <= _MOST else None


def bounded(limit: int | None) -> int | None:
    """Return a limit; None when it is as good as none."""
    return limit if limit is not None and 0 <= limit < _BOUNDED else None
