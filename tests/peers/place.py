"""Where we are, and whether peers can be had here."""

import os
import tempfile
from pathlib import Path

from . import debian, house


def here() -> house.House:
    """This machine, with the cache of this user."""
    return house.House(
        cache=Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "concierge-peers",
        temporary=Path(tempfile.gettempdir()),
        environment=dict(os.environ),
        obstacle=obstacle(),
    )


def obstacle() -> str | None:
    """Why nothing may be installed here, or None."""
    file = Path("/etc/os-release")
    name = debian.release(file.read_text()) if file.exists() else None
    if name != debian.CODENAME:
        return f"peers are installed on Debian 12 ({debian.CODENAME}) only, and this is another system"
    if os.geteuid() != 0:
        return "peers are installed and started by root only"
    return None
