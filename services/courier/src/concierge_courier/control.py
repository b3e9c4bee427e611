"""The door for `maintenance`: a socket in a folder of our own, for the same user alone."""

import asyncio
import contextlib
import logging
import os
import socket
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from concierge_courier import heartbeat
from concierge_proto import errors

log = logging.getLogger(__name__)

_PATIENCE = 5.0
_LINE = 64
_STATES = {"on": True, "off": False}


def folder() -> str:
    """Return where couriers of this user have their doors."""
    return f"/tmp/concierge-courier-{os.getuid()}"  # noqa: S108 - made and checked to be ours alone


@contextlib.asynccontextmanager
async def door(runtime_dir: str, life: heartbeat.Life) -> AsyncIterator[None]:
    """Listen while the context is open. Where no socket can be made, that is told, and nothing else happens."""
    path = _path(runtime_dir, life.instance)
    try:
        _make_private(path.parent)
        path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(_answering(life), path, limit=_LINE)
    except (OSError, errors.Permanent) as error:
        log.warning("no maintenance switch: %s (--runtime-dir names another folder)", error)
        yield
        return
    try:
        yield
    finally:
        server.close()
        path.unlink(missing_ok=True)


def switch(runtime_dir: str, instance: str, word: str) -> str:
    """Say `on`, `off` or `status` to a courier and return which it is now; raise Temporary when none answers."""
    path = _path(runtime_dir, instance)
    try:
        with socket.socket(socket.AF_UNIX) as there:
            there.settimeout(_PATIENCE)
            there.connect(str(path))
            there.sendall(f"{word}\n".encode())
            answer = there.makefile("rb").readline(_LINE)
    except OSError as error:
        raise errors.Temporary(f"no courier answers at {path}: {error.strerror or error}") from error
    if answer.strip() not in {b"on", b"off"}:
        raise errors.Temporary(f"the courier at {path} did not understand {word!r}")
    return answer.decode().strip()


def _answering(
    life: heartbeat.Life,
) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError, TimeoutError), contextlib.closing(writer):
            async with asyncio.timeout(_PATIENCE):
                word = (await reader.readline()).decode("ascii", "replace").strip()
                if word in _STATES:
                    life.maintain(on=_STATES[word])
                writer.write(b"on\n" if life.maintenance else b"off\n")
                await writer.drain()

    return answer


def _path(runtime_dir: str, instance: str) -> Path:
    return Path(runtime_dir) / f"{instance}.sock"


def _make_private(path: Path) -> None:
    """Make the folder for us alone; one that somebody else laid there is not used."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise errors.Permanent(f"{path} is not a folder of this user alone")
