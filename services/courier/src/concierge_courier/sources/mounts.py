"""Filesystems and volumes: what is mounted where, and how full it is."""

import os
from collections.abc import Callable
from pathlib import Path

from concierge_courier.sources import cgroup
from concierge_proto import messages

FIELDS = ("total", "used", "free", "pused", "inodes", "inodes_used", "inodes_pused")
"""Bytes and numbers; `free` and the percentages as an unprivileged process sees them, like `df` and Zabbix."""

Ask = Callable[[str], os.statvfs_result]

_UNREAL = frozenset(
    (
        *("autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs"),
        *(
            "efivarfs",
            "erofs",
            "fusectl",
            "hugetlbfs",
            "iso9660",
            "mqueue",
            "nsfs",
            "proc",
            "pstore",
            "ramfs",
        ),
        *("rpc_pipefs", "securityfs", "selinuxfs", "squashfs", "sysfs", "tracefs"),
    )
)
"""Without a size, or always full."""
_INSIDE = ("/proc/", "/sys/", "/dev/")
_SHARED = "/dev/shm"  # noqa: S108 - the one below /dev that an application fills


def mounted(root: Path) -> list[str]:
    """Return the folders on which something with a size is mounted, each once; raise OSError."""
    found: dict[str, None] = {}
    for line in (root / "proc/self/mountinfo").read_text("utf-8", "replace").splitlines():
        left, _, right = line.partition(" - ")
        fields = left.split()
        if len(fields) < 5 or right.split(" ", 1)[0] in _UNREAL:  # noqa: PLR2004 - the fifth is where
            continue
        where = cgroup.unescape(fields[4])
        if where == _SHARED or not f"{where}/".startswith(_INSIDE):
            found[where] = None
    return list(found)


def sizes(root: Path, ask: Ask) -> dict[str, dict[str, messages.Value | None]]:
    """Return folder to `FIELDS`. May hang with a server that has gone: call it aside.

    Docker mounts single files, too (`/etc/hosts`): they are no filesystems to watch.
    """
    found = {}
    for where in mounted(root):
        place = root / where.lstrip("/")
        try:
            if place.is_dir():
                found[where] = _size(ask(str(place)))
        except OSError:
            continue
    return {where: size for where, size in found.items() if size}


def _size(of: os.statvfs_result) -> dict[str, messages.Value | None]:
    """Empty when it has no size at all."""
    if not of.f_blocks:
        return {}
    used, inodes_used = of.f_blocks - of.f_bfree, of.f_files - of.f_ffree
    return {
        "total": of.f_blocks * of.f_frsize,
        "used": used * of.f_frsize,
        "free": of.f_bavail * of.f_frsize,
        "pused": _percent(used, used + of.f_bavail),
        "inodes": of.f_files or None,
        "inodes_used": inodes_used if of.f_files else None,
        "inodes_pused": _percent(inodes_used, inodes_used + of.f_favail) if of.f_files else None,
    }


def _percent(part: int, whole: int) -> float | None:
    return 100 * part / whole if whole > 0 else None
