"""What a target that can find services by their labels does besides; and when a compose file is read again."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

from concierge_proto import settings

ANEW = 60.0
"""Seconds after which a compose file is read again although it was not written: it may include others."""


@runtime_checkable
class Labelled(Protocol):
    """Raises as the port does."""

    async def labels(self) -> dict[str, dict[str, str]]:
        """Return the labels of the services that may have ours, by what the endpoint calls them. Asked every 5 s."""
        ...

    def attend(self, names: Mapping[str, str]) -> None:
        """Read and change these services from now on: our names to the endpoint's."""
        ...


class Written:
    """Labels that stand in files, read again only when a file was written: reading them takes a child and 60 ms."""

    def __init__(self, target: settings.Target) -> None:
        home = Path(target.project_directory)
        self._files = [home / name for name in (*target.files, *target.env_files, ".env")]
        self._named = bool(target.files)
        self._stamp: tuple[object, ...] | None = None
        self._next: tuple[object, ...] = ()
        self._at = 0.0
        self.labels: dict[str, dict[str, str]] = {}

    async def anew(self) -> bool:
        """Return whether the files must be read."""
        self._next = await asyncio.to_thread(lambda: tuple(map(_state, self._files)))
        old = not self._named or time.monotonic() - self._at > ANEW
        return old or self._next != self._stamp

    def read(self, labels: dict[str, dict[str, str]]) -> None:
        """Take note of what the files said after `anew`."""
        self.labels, self._stamp, self._at = labels, self._next, time.monotonic()


def _state(file: Path) -> object:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
