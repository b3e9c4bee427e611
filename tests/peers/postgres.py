"""A private PostgreSQL cluster for throw-away data: no TCP port, no durability, started from a template."""

import shutil
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from signal import Signals

from . import house, install, process

OWNER = "nobody"
BINARIES = "usr/lib/postgresql/15/bin"
# The server refuses root, and nobody may not look into root's cache: its programs are mounted where it may.
MOUNTED = (*process.NAMESPACE, "sh", "-c", 'mount --bind "$1" "$2" && shift 2 && exec "$@"', "sh")
# The change of user clears the signal that unshare had set, so it is set again.
UNPRIVILEGED = (
    "setpriv",
    "--reuid",
    OWNER,
    "--regid",
    "nogroup",
    "--clear-groups",
    "--pdeathsig",
    "KILL",
    "--",
)
CARELESS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "listen_addresses": "",
    "dynamic_shared_memory_type": "mmap",  # in the data folder: nothing is left in /dev/shm
    "shared_buffers": "128MB",
    "jit": "off",
}


@dataclass(frozen=True)
class Cluster:
    """A running cluster; ``folder`` is the one of its socket, which every client takes as its host."""

    folder: Path
    root: install.Root

    async def sql(self, text: str, database: str = "postgres") -> str:
        return await process.capture(*self.client(database), "--command", text, env=self.root.environment)

    async def load(self, script: Path, database: str) -> None:
        """Run a gzipped script."""
        words = ("sh", "-c", 'script=$1; shift; zcat "$script" | "$@"', "sh", script, *self.client(database))
        await process.capture(*words, env=self.root.environment, seconds=300)

    def client(self, database: str) -> tuple[str | Path, ...]:
        words = ("--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1")
        where = ("--host", self.folder, "--username", "postgres", "--dbname", database)
        return (self.root.path / BINARIES / "psql", *words, *where)


async def start(
    root: install.Root,
    room: Path,
    stack: AsyncExitStack,
    *,
    template: Path | None,
    ending: Signals = Signals.SIGKILL,
) -> Cluster:
    """Start a cluster in ``room / "pg"``, from a copy of ``template`` or, without one, a new one."""
    folder = room / "pg"
    own(folder)
    view = room / "root"
    view.mkdir()
    inside = (*MOUNTED, root.path, view, *UNPRIVILEGED)
    if template:
        await process.capture("cp", "-a", "--reflink=auto", template, folder / "data")
    else:
        await create(inside, view, root, folder / "data")
    settings = CARELESS | {"unix_socket_directories": str(folder)}
    words = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
    daemon = await process.start(
        stack,
        (*inside, view / BINARIES / "postgres", "-D", folder / "data", *words),
        room / "postgres.log",
        env=root.at(view).environment,
        ending=ending,
    )
    cluster = Cluster(folder, root)
    await process.until(lambda: alive(cluster), daemon)
    return cluster


async def create(inside: tuple[str | Path, ...], view: Path, root: install.Root, data: Path) -> None:
    await process.capture(
        *(*inside, view / BINARIES / "initdb", "--pgdata", data, "--username", "postgres"),
        *("--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync", "--no-instructions"),
        env=root.at(view).environment,
    )


def own(folder: Path) -> None:
    folder.mkdir()
    shutil.chown(folder, OWNER)


async def alive(cluster: Cluster) -> bool:
    try:
        return await cluster.sql("select 1") == "1\n"
    except process.Unavailable:
        return False


async def template(
    at: house.House, name: str, fill: Callable[[Path, AsyncExitStack], Awaitable[object]]
) -> Path:
    """The data folder that ``fill`` once made in a room; made again when it is not in the cache."""
    target = at.cache / "templates" / name
    held = await house.locked(at.cache / f"template-{name}.lock")
    try:
        if not target.exists():
            await keep(at, target, fill)
    finally:
        held.close()
    return target


async def keep(
    at: house.House, target: Path, fill: Callable[[Path, AsyncExitStack], Awaitable[object]]
) -> None:
    with house.room(at) as room:
        async with AsyncExitStack() as stack:
            await fill(room, stack)
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        await process.capture("cp", "-a", room / "pg/data", fresh)
        fresh.rename(target)
