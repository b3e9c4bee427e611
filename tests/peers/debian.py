"""An apt of our own beside the machine's: the machine's archive, more suites, and our own state."""

import asyncio
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from . import process

CODENAME = "bookworm"
NEXT = "trixie"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
FRESH = 3 * 24 * 3600


@dataclass(frozen=True)
class Entry:
    """One line of the machine's apt sources; ``keyring`` is a path."""

    address: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    keyring: str


def release(text: str) -> str | None:
    """The code name in the text of ``/etc/os-release``, None if that is no Debian."""
    fields = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    name = fields.get("VERSION_CODENAME", "").strip('"')
    return name if fields.get("ID", "").strip('"') == "debian" else None


def entries(etc: Path) -> Iterator[Entry]:
    """All sources of the machine, in both of apt's formats."""
    for path in [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*"))]:
        if path.suffix == ".list" and path.is_file():
            yield from lines(path.read_text())
        elif path.suffix == ".sources":
            yield from stanzas(path.read_text())


def lines(text: str) -> Iterator[Entry]:
    pattern = re.compile(
        r"^deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(?P<address>\S+)\s+(?P<suite>\S+)\s+(?P<rest>[^#\n]*)"
    )
    for line in text.splitlines():
        if found := pattern.match(line.strip()):
            signed = re.search(r"signed-by=(/\S+)", found["options"] or "", re.IGNORECASE)
            keyring = signed[1] if signed else KEYRING
            yield Entry(found["address"], (found["suite"],), tuple(found["rest"].split()), keyring)


def stanzas(text: str) -> Iterator[Entry]:
    for stanza in re.split(r"\n\s*\n", text):
        fields = {
            key.lower(): value.split()
            for key, value in re.findall(r"^([A-Za-z-]+):[ \t]*(.*(?:\n[ \t]+.*)*)", stanza, re.MULTILINE)
        }
        if "deb" not in fields.get("types", ()) or fields.get("enabled") == ["no"]:
            continue
        signed = " ".join(fields.get("signed-by", ()))
        keyring = signed if signed.startswith("/") else KEYRING
        for address in fields.get("uris", ()):
            yield Entry(
                address, tuple(fields.get("suites", ())), tuple(fields.get("components", ())), keyring
            )


def archive(suite: str, etc: Path = Path("/etc/apt")) -> Entry | None:
    """The machine's entry that serves ``suite`` with Debian's main component."""
    return next((each for each in entries(etc) if suite in each.suites and "main" in each.components), None)


def address() -> str:
    """The base address of the archive that this machine uses."""
    if main := archive(CODENAME):
        return main.address
    raise process.Unavailable(f"the apt sources of this machine name no archive with {CODENAME} main")


class Apt:
    """``apt-get`` that reads the machine's package state and writes only below ``folder``."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.stamp = folder / "updated"
        self.sources = folder / "sources.list"
        self.environment = environment | {
            "APT_CONFIG": str(folder / "apt.conf"),
            "DEBIAN_FRONTEND": "noninteractive",
        }

    def configure(self) -> None:
        for part in ("state/lists/partial", "cache/archives/partial"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        self.sources.write_text(self._sources())
        (self.folder / "preferences").write_text(f"Package: *\nPin: release n={NEXT}\nPin-Priority: 1\n")
        (self.folder / "apt.conf").write_text(self._settings())

    def fresh(self) -> bool:
        """Whether the lists are of the machine's present sources, and new."""
        if not self.stamp.exists() or self.stamp.read_text() != self.sources.read_text():
            return False
        return time.time() - self.stamp.stat().st_mtime < FRESH

    async def update(self) -> None:
        address()
        self.configure()
        if not self.fresh():
            await process.capture(
                "apt-get", "update", "-q", "--error-on=any", env=self.environment, seconds=300
            )
            self.stamp.write_text(self.sources.read_text())

    async def download(self, packages: tuple[str, ...], target: Path) -> list[Path]:
        """Fetch packages, and those of their dependencies that the machine lacks, as files into ``target``."""
        await asyncio.to_thread((target / "partial").mkdir, parents=True, exist_ok=True)
        await process.capture(
            *("apt-get", "install", "-qq", "-y", "--reinstall", "--download-only", "--no-install-recommends"),
            *("-o", f"Dir::Cache::archives={target}", *packages),
            env=self.environment,
            seconds=600,
        )
        return await asyncio.to_thread(lambda: sorted(target.glob("*.deb")))

    async def fetch(self, packages: tuple[str, ...], target: Path) -> list[Path]:
        """Fetch exactly these, whatever the machine has: of another Debian, and nothing of its own goes with them."""
        await asyncio.to_thread(target.mkdir, parents=True, exist_ok=True)
        inside = ("sh", "-c", 'cd "$1" && shift && exec "$@"', "sh", str(target))
        await process.capture(
            *inside, "apt-get", "download", "-q", *packages, env=self.environment, seconds=600
        )
        return await asyncio.to_thread(lambda: sorted(target.glob("*.deb")))

    def _sources(self) -> str:
        here, security = (archive(suite) for suite in (CODENAME, f"{CODENAME}-security"))
        suites = (CODENAME, f"{CODENAME}-updates", f"{CODENAME}-backports", NEXT)
        wanted = [(here, suite) for suite in suites] + [(security, f"{CODENAME}-security")]
        lines = (f"deb [signed-by={at.keyring}] {at.address} {suite} main\n" for at, suite in wanted if at)
        return "".join(lines)

    def _settings(self) -> str:
        settings = {
            "Dir::Etc::SourceList": self.sources,
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::Etc::Preferences": self.folder / "preferences",
            "Dir::Etc::PreferencesParts": "/dev/null",
            "Dir::State": self.folder / "state",
            "Dir::State::status": "/var/lib/dpkg/status",
            "Dir::Cache": self.folder / "cache",
            "Acquire::Languages": "none",
            "Acquire::Retries": 3,
            "APT::Sandbox::User": "root",
            "Debug::NoLocking": 1,
        }
        return "".join(f'{key} "{value}";\n' for key, value in settings.items())
