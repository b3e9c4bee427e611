"""The demo's image: a Python base, the courier with what it imports, and the shop; built without a network."""

import hashlib
import importlib.util
import os
import shutil
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from concierge_cli.demo import shop

PACKAGES = ("concierge_proto", "concierge_courier", "msgspec", "nats")

_DOCKERFILE = """\
FROM {base}
COPY site /opt/concierge
COPY shop.py /shop.py
ENV PYTHONPATH=/opt/concierge PYTHONDONTWRITEBYTECODE=1
"""

Docker = Callable[..., Awaitable[str]]


async def build(docker: Docker, folder: Path) -> str:
    """Build the image once for its content and return its tag.

    The base is PEER_DOCKER_IMAGE, else Docker's own Python of this version: msgspec is compiled for it.
    """
    base = (
        os.environ.get("PEER_DOCKER_IMAGE")
        or f"python:{sys.version_info.major}.{sys.version_info.minor}-slim"
    )
    context(folder, base)
    tag = f"concierge-demo:{digest(folder)}"
    if not await docker("images", "--quiet", tag):
        await docker("build", "--quiet", "--tag", tag, str(folder))
    return tag


def context(folder: Path, base: str) -> None:
    """Lay out everything that goes into the image."""
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(name)
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(Path(spec.origin).parent, folder / "site" / name, dirs_exist_ok=True, ignore=ignore)
    shutil.copy(shop.__file__, folder / "shop.py")
    (folder / "Dockerfile").write_text(_DOCKERFILE.format(base=base), "utf-8")


def digest(folder: Path) -> str:
    """Return twelve characters that change with any file."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:12]
