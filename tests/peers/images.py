"""Images that are made here, since none can be pulled: a Debian with Python, and one of two megabytes."""

import asyncio
import shutil
import tarfile
import time
from pathlib import Path

from . import debian, engine, house, install, process

PYTHON = "concierge-peers/python:3.11"
TINY = "concierge-peers/tiny:1"
UNREAD = (
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "var/lib/apt/lists",
    "var/cache/apt/archives",
    "var/log",
)


async def provide(at: house.House, docker: engine.Engine) -> None:
    """See to it that both images are in the engine."""
    await process.together(load(at, docker, TINY), load(at, docker, PYTHON))


async def archives(at: house.House) -> None:
    """Make the archives of both images, if they are not in the cache."""
    await process.together(tiny(at), python(at))


async def load(at: house.House, docker: engine.Engine, image: str) -> None:
    if await docker.docker("image", "ls", "--quiet", image):
        return
    archive = await (tiny(at) if image == TINY else python(at))
    command = "sleep 2147483647" if image == TINY else "python3"
    await docker.docker("import", "--change", f"CMD {command}", archive, image, seconds=300)


async def tiny(at: house.House) -> Path:
    """Busybox with a link for each of its commands, as a tar archive."""
    target = at.cache / "images" / "tiny.tar"
    if target.exists():
        return target
    root = await install.provide(at, install.DOCKER)
    busybox = root.program("busybox")
    names = (await process.capture(busybox, "--list")).split()
    with house.room(at) as work:
        await asyncio.to_thread(pack_busybox, busybox, names, work / "tar")
        await asyncio.to_thread(place, work / "tar", target)
    return target


def pack_busybox(busybox: Path, names: list[str], target: Path) -> None:
    with tarfile.open(target, "w") as archive:
        archive.add(busybox, "bin/busybox")
        for folder in ("tmp", "etc", "root", "proc", "sys", "dev"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            archive.addfile(entry)
        for name in names:
            entry = tarfile.TarInfo(f"bin/{name}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            if name != "busybox":
                archive.addfile(entry)


async def python(at: house.House) -> Path:
    """A minimal Debian with its Python, from the machine's own archive, as a tar archive; about 40 s."""
    target = at.cache / "images" / "python.tar"
    held = await house.locked(at.cache / "image.lock")
    try:
        if not target.exists():
            await bootstrap(at, target)
    finally:
        held.close()
    return target


async def bootstrap(at: house.House, target: Path) -> None:
    root = await install.provide(at, install.DOCKER)
    began = time.monotonic()
    with house.room(at) as work:
        await process.capture(
            *(*process.NAMESPACE, root.program("debootstrap"), "--variant=minbase", "--include=python3"),
            *(debian.CODENAME, work / "root", debian.address()),
            env=root.environment | {"DEBOOTSTRAP_DIR": str(root.path / "usr/share/debootstrap")},
            seconds=600,
        )
        for folder in UNREAD:
            empty(work / "root" / folder)
        await process.capture("tar", "-C", work / "root", "-cf", work / "tar", ".", seconds=120)
        await asyncio.to_thread(place, work / "tar", target)
    process.say(f"image with Python made in {time.monotonic() - began:.1f} s")


def empty(folder: Path) -> None:
    for entry in folder.iterdir() if folder.exists() else ():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def place(source: Path, target: Path) -> None:
    """Put a finished file into the cache in one step, also across file systems."""
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_suffix(".new")
    shutil.move(source, fresh)
    fresh.replace(target)
