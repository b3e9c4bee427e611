"""New secrets count without a restart: the files are looked at, and read again when they have changed."""

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path

from concierge_gateway import authenticate, sources
from concierge_proto import errors

log = logging.getLogger(__name__)

PERIOD = 1.0
"""Seconds between two looks."""

Mark = tuple[int, int, int]
"""Of a file: when it was changed (ns), its bytes, its inode."""


async def run(known: Mapping[str, sources.Source], secrets: Mapping[str, list[str]]) -> None:
    """Look for ever. A file that can't be read any more changes nothing: the secrets that counted go on counting."""
    marks = {name: _marks(source) for name, source in known.items()}
    while True:
        await asyncio.sleep(PERIOD)
        for name, source in known.items():
            found = _marks(source)
            if found != marks[name]:
                marks[name] = found
                _renew(source, secrets.get(name, []))


def _renew(source: sources.Source, secrets: list[str]) -> None:
    try:
        keys, tokens = authenticate.proofs(source.name, source.settings, secrets)
    except errors.Permanent as error:
        log.error("%s; the secrets that counted go on counting", error)
        return
    source.guard.renew(keys, tokens)
    log.info("source %s: %d keys and %d tokens count from now on", source.name, len(keys), len(tokens))


def _marks(source: sources.Source) -> list[Mark | None]:
    return [mark(path) for path in (source.settings.secret_file, source.settings.token_file) if path]


def mark(path: str) -> Mark | None:
    """Return what differs once the file has been written anew; None: it is not there."""
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
