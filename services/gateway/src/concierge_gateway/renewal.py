"""New secrets count without a restart: the files are looked at, and read again when they have changed."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from concierge_proto import errors

log = logging.getLogger(__name__)

PERIOD = 1.0
"""Seconds between two looks."""

Mark = tuple[int, int, int]
"""Of a file: when it was changed (ns), its bytes, its inode."""


class Followed(NamedTuple):
    """Somebody whose secrets stand in files."""

    who: str
    paths: Sequence[str]
    """Empty ones are none."""
    renew: Callable[[], None]
    """Reads them again; raises Permanent where it can't, and then changes nothing."""

    def marks(self) -> list[Mark | None]:
        return [mark(path) for path in self.paths if path]


async def run(followed: Sequence[Followed]) -> None:
    """Look for ever. A file that can't be read any more changes nothing: the secrets that counted go on counting."""
    marks = [each.marks() for each in followed]
    while True:
        await asyncio.sleep(PERIOD)
        for number, each in enumerate(followed):
            found = each.marks()
            if found != marks[number]:
                marks[number] = found
                _renew(each)


def _renew(each: Followed) -> None:
    try:
        each.renew()
    except errors.Permanent as error:
        log.error("%s; the secrets that counted go on counting", error)
        return
    log.info("%s: what stands in its files now counts, and nothing else", each.who)


def mark(path: str) -> Mark | None:
    """Return what differs once the file has been written anew; None: it is not there."""
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
