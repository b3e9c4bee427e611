"""An apt of our own beside the machine's: the machine's archive, more suites, and our own state."""

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


def archive(found: list[Entry], suite: str = CODENAME) -> Entry | None:
    """The entry that serves ``suite`` with Debian's main component."""
    return next((each for each in found if suite in each.suites and "main" in each.components), None)


class Apt:
    """``apt-get`` that reads the machine's package state and writes only below ``folder``."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = environment | {
            "APT_CONFIG": str(folder / "apt.conf"),
            "DEBIAN_FRONTEND": "noninteractive",
        }

    def address(self) -> str:
        main = archive(list(entries(Path("/etc/apt"))))
        if main is None:
            raise process.Unavailable(f"the apt sources of this machine name no archive with {CODENAME} main")
        return main.address

    def configure(self) -> None:
        for part in ("state/lists/partial", "cache/archives/partial"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        (self.folder / "sources.list").write_text(self._sources())
        (self.folder / "preferences").write_text(f"Package: *\nPin: release n={NEXT}\nPin-Priority: 1\n")
        (self.folder / "apt.conf").write_text(self._settings())

    async def update(self) -> None:
        """Read the lists again unless they are fresh and of the same sources."""
        stamp, sources = self.folder / "updated", self.folder / "sources.list"
        self.configure()
        known = stamp.exists() and stamp.read_text() == sources.read_text()
        if known and time.time() - stamp.stat().st_mtime < FRESH:
            return
        await process.capture("apt-get", "update", "-q", "--error-on=any", env=self.environment, seconds=300)
        stamp.write_text(sources.read_text())

    async def download(self, packages: tuple[str, ...], target: Path) -> list[Path]:
        """Fetch packages, and those of their dependencies that the machine lacks, as files into ``target``."""
        (target / "partial").mkdir(parents=True, exist_ok=True)
        await process.capture(
            *("apt-get", "install", "-qq", "-y", "--reinstall", "--download-only", "--no-install-recommends"),
            *("-o", f"Dir::Cache::archives={target}", *packages),
            env=self.environment,
            seconds=600,
        )
        return sorted(target.glob("*.deb"))

    def _sources(self) -> str:
        found = list(entries(Path("/etc/apt")))
        here = archive(found)
        security = archive(found, f"{CODENAME}-security")
        if here is None:
            raise process.Unavailable(f"the apt sources of this machine name no archive with {CODENAME} main")
        suites = (CODENAME, f"{CODENAME}-updates", f"{CODENAME}-backports", NEXT)
        wanted = [(here, suite) for suite in suites]
        wanted += [(security, f"{CODENAME}-security")] if security else []
        return "".join(f"deb [signed-by={at.keyring}] {at.address} {suite} main\n" for at, suite in wanted)

    def _settings(self) -> str:
        settings = {
            "Dir::Etc::SourceList": self.folder / "sources.list",
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
