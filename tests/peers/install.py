"""Packages, unpacked into folders of our own: nothing is installed, configured or started on the machine."""

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from . import debian, house, process

LIBRARIES = (
    "usr/lib/x86_64-linux-gnu",
    "usr/lib/aarch64-linux-gnu",
    "lib/x86_64-linux-gnu",
    "lib/aarch64-linux-gnu",
)
PROGRAMS = ("usr/sbin", "usr/bin", "sbin", "bin")


@dataclass(frozen=True)
class Bundle:
    """Packages that are unpacked together, and the programs in them that must be able to run."""

    name: str
    packages: tuple[str, ...]
    programs: tuple[str, ...]
    whole: bool = False
    """It brings its own C library and loader, so nothing is added to it."""


DOCKER = Bundle(
    "docker",
    ("docker.io", "iptables", "debootstrap", "busybox-static"),
    ("usr/sbin/dockerd", "usr/bin/containerd", "usr/sbin/runc", "bin/busybox", "usr/sbin/xtables-nft-multi"),
)
COMPOSE = Bundle("compose", (f"docker-compose/{debian.NEXT}",), ())
PROMETHEUS = Bundle(
    "prometheus",
    ("prometheus", "prometheus-pushgateway", "prometheus-alertmanager"),
    ("usr/bin/prometheus", "usr/bin/prometheus-pushgateway", "usr/bin/prometheus-alertmanager"),
)
PHP = ("php-cli", "php-pgsql", "php-xml", "php-mbstring", "php-bcmath", "php-gd")
POSTGRES = ("postgresql-15", "postgresql-client-15")
ZABBIX_PROGRAMS = (
    *("usr/sbin/zabbix_server", "usr/bin/zabbix_sender", "usr/bin/php8.2"),
    *("usr/lib/postgresql/15/bin/postgres", "usr/lib/postgresql/15/bin/psql"),
)


def zabbix(name: str, suite: str) -> Bundle:
    own = tuple(f"{part}/{suite}" for part in ("zabbix-server-pgsql", "zabbix-frontend-php", "zabbix-sender"))
    return Bundle(name, (*own, *PHP, *POSTGRES), ZABBIX_PROGRAMS)


ZABBIX = zabbix("zabbix", f"{debian.CODENAME}-backports")
ZABBIX60 = zabbix("zabbix60", debian.CODENAME)
PROXY = Bundle("proxy", (f"zabbix-proxy-sqlite3/{debian.CODENAME}-backports",), ("usr/sbin/zabbix_proxy",))
SSH = Bundle("ssh", ("openssh-server",), ("usr/sbin/sshd",))
AGENT = Bundle("agent", (f"zabbix-agent/{debian.CODENAME}-backports",), ("usr/sbin/zabbix_agentd",))
PYTHON_PARTS = (
    *("python3.13-minimal", "libpython3.13-minimal", "libpython3.13-stdlib", "python3-msgspec"),
    *("libc6", "libssl3t64", "libzstd1", "zlib1g", "libexpat1", "libffi8"),
)
PYTHON = Bundle("python", tuple(f"{part}/{debian.NEXT}" for part in PYTHON_PARTS), (), whole=True)


@dataclass(frozen=True)
class Root:
    """An unpacked bundle and how its programs are started."""

    path: Path
    machine: dict[str, str]

    @property
    def environment(self) -> dict[str, str]:
        search = [str(self.path / folder) for folder in PROGRAMS]
        libraries = [str(self.path / folder) for folder in LIBRARIES]
        return self.machine | {
            "PATH": os.pathsep.join([*search, self.machine.get("PATH", os.defpath)]),
            "LD_LIBRARY_PATH": os.pathsep.join(libraries),
        }

    def at(self, view: Path) -> "Root":
        """The same, seen at another path."""
        return Root(view, self.machine)

    def program(self, name: str) -> Path:
        places = (self.path / folder / name for folder in PROGRAMS)
        found = next((place for place in places if place.exists()), None)
        if found is None:
            raise process.Unavailable(f"{name} is in none of the unpacked packages")
        return found


def root(at: house.House, bundle: Bundle) -> Root:
    return Root(at.cache / "roots" / bundle.name, at.environment)


async def provide(at: house.House, bundle: Bundle) -> Root:
    """The unpacked bundle; it is fetched if it is not there or no longer fits the machine's libraries."""
    if await complete(at, bundle):
        return root(at, bundle)
    if at.obstacle:
        raise process.Unavailable(at.obstacle)
    await fetch(at, bundle)
    return root(at, bundle)


async def complete(at: house.House, bundle: Bundle) -> bool:
    here = root(at, bundle)
    stamp = here.path / ".complete"
    if not stamp.exists() or stamp.read_text().split() != list(bundle.packages):
        return False
    checks = [linked(here.path / program, here.environment) for program in bundle.programs]
    return all(await process.together(*checks))


async def linked(program: Path, environment: dict[str, str]) -> bool:
    """Whether all libraries of a program are found; a static one has none to find."""
    try:
        return "not found" not in await process.capture("ldd", program, env=environment)
    except process.Unavailable as problem:
        return "not a dynamic executable" in str(problem)


async def fetch(at: house.House, bundle: Bundle) -> None:
    apt = debian.Apt(at.cache / "apt", at.environment)
    target = at.cache / "roots" / bundle.name
    held = await house.locked(at.cache / f"{bundle.name}.lock")
    try:
        if await complete(at, bundle):
            return
        began = time.monotonic()
        files = await obtain(at, apt, bundle)
        await unpack(files, target)
        (target / ".complete").write_text("\n".join(bundle.packages))
        shutil.rmtree(at.cache / "debs" / bundle.name)
        if not await complete(at, bundle):
            raise process.Unavailable(f"programs of {bundle.name} miss libraries on this machine")
        process.say(f"{bundle.name} packages unpacked in {time.monotonic() - began:.1f} s")
    finally:
        held.close()


async def obtain(at: house.House, apt: debian.Apt, bundle: Bundle) -> list[Path]:
    """Download with the lists at hand, and once more with new ones: old packages vanish from the archive."""
    target = at.cache / "debs" / bundle.name
    bring = apt.fetch if bundle.whole else apt.download
    await refresh(at, apt)
    try:
        return await bring(bundle.packages, target)
    except process.Unavailable:
        apt.stamp.unlink(missing_ok=True)
        await refresh(at, apt)
        return await bring(bundle.packages, target)


async def refresh(at: house.House, apt: debian.Apt) -> None:
    held = await house.locked(at.cache / "apt.lock")
    try:
        await apt.update()
    finally:
        held.close()


async def unpack(files: list[Path], target: Path) -> None:
    """Extract into a fresh folder beside ``target`` and put it in place in one step."""
    fresh = target.with_suffix(".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for file in files:
        await process.capture("dpkg", "--extract", file, fresh)
    for unread in ("doc", "man", "locale", "lintian"):
        shutil.rmtree(fresh / "usr/share" / unread, ignore_errors=True)
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)
