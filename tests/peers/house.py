"""Folders and locks: the cache that stays, the room that is gone after a run, and what a killed run left."""

import asyncio
import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import IO

PREFIX = "concierge-peers-"
CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class House:
    """Where things are and what is allowed: ``obstacle`` says why nothing can be installed, None if it can."""

    cache: Path
    temporary: Path
    environment: dict[str, str]
    obstacle: str | None


def lock(path: Path) -> IO[str] | None:
    """An exclusive lock as an open file, held until it is closed or we die; None if another has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = path.open("a")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        return None
    return handle


async def locked(path: Path) -> IO[str]:
    """The lock, waited for without stopping the loop."""
    while (held := lock(path)) is None:
        await asyncio.sleep(0.2)
    return held


@contextlib.contextmanager
def room(house: House) -> Iterator[Path]:
    """The folder of one run, removed with everything that was noted in it."""
    fresh = Path(tempfile.mkdtemp(prefix="new-", dir=house.temporary))
    fresh.chmod(0o711)
    held = lock(fresh / "lock")
    path = fresh.rename(
        house.temporary / f"{PREFIX}{fresh.name.removeprefix('new-')}"
    )  # a sweep never sees it unlocked
    try:
        yield path
    finally:
        demolish(path)
        if held:
            held.close()


def sweep(house: House) -> None:
    """Remove our own rooms whose lock is free: their runs were killed."""
    for path in house.temporary.glob(f"{PREFIX}*"):
        with contextlib.suppress(FileNotFoundError):
            held = lock(path / "lock") if path.stat().st_uid == os.geteuid() else None
            if held:
                demolish(path)
                held.close()


def note(path: Path, network: IPv4Network, cgroup: str) -> None:
    """Write down, before it exists, what the kernel will hold for this room."""
    (path / "kernel.json").write_text(json.dumps({"network": str(network), "cgroup": cgroup}))


def demolish(path: Path) -> None:
    for notes in path.glob("*/kernel.json"):
        held = json.loads(notes.read_text())
        remove_links(IPv4Network(held["network"]))
        remove_cgroups(held["cgroup"])
    shutil.rmtree(path, ignore_errors=True)


def remove_links(network: IPv4Network) -> None:
    """Delete the bridges whose address is in ``network``: Docker leaves them when it stops."""
    listing = subprocess.run(["ip", "-json", "-4", "address"], capture_output=True, check=True)
    for link in json.loads(listing.stdout):
        if any(IPv4Network(each["local"]).subnet_of(network) for each in link.get("addr_info", ())):
            subprocess.run(["ip", "link", "delete", link["ifname"]], capture_output=True, check=False)


def remove_cgroups(name: str) -> None:
    for controller in (CGROUPS, *CGROUPS.glob("*")):
        for folder, _, _ in os.walk(controller / name, topdown=False):
            with contextlib.suppress(OSError):
                Path(folder).rmdir()
