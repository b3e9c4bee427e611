"""What is in the house."""

import subprocess
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
ROOMS = {
    "proto": ROOT / "proto",
    "backends": ROOT / "backends",
    "courier": ROOT / "services" / "courier",
    "gateway": ROOT / "services" / "gateway",
    "scheduler": ROOT / "services" / "scheduler",
    "cli": ROOT / "cli",
}


def files() -> list[Path]:
    """All that is or may be committed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return sorted({path for name in listed.split("\0") if name and (path := ROOT / name).is_file()})


def project(room: str) -> dict[str, Any]:
    """The `[project]` of a room."""
    found: dict[str, Any] = tomllib.loads((ROOMS[room] / "pyproject.toml").read_text())["project"]
    return found


FILES = files()
