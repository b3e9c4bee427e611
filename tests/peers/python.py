"""A newer Python than ours, of the next Debian: with its own C library, so that it runs here."""

import asyncio
import json
import os
import sysconfig
from pathlib import Path

from . import house, install, process

DIRECTORIES = ("backends/src", "proto/src")
"""Rooms that run in it."""


async def run(at: house.House, script: Path, *words: str) -> dict[str, object]:
    """Run a script that prints one JSON object, and return it. Raises Unavailable.

    What is compiled comes with the newer Python (msgspec); what is not, from our own environment.
    """
    root = await install.provide(at, install.PYTHON)
    loader = await asyncio.to_thread(lambda: next(root.path.glob("usr/lib*/ld-linux-*.so.*")))
    libraries = (str(root.path / folder) for folder in install.LIBRARIES)
    said = await process.capture(
        loader,
        *("--library-path", os.pathsep.join(libraries)),
        root.path / "usr/bin/python3.13",
        *("-B", str(script), *words),
        env=at.environment | {"PYTHONPATH": os.pathsep.join(_search(root))},
    )
    found: dict[str, object] = json.loads(said)
    return found


def _search(root: install.Root) -> list[str]:
    sources = [str(Path.cwd() / room) for room in DIRECTORIES]
    return [str(root.path / "usr/lib/python3/dist-packages"), *sources, sysconfig.get_path("purelib")]
