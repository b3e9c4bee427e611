"""A file that a process holds for as long as it lives: proof of life that no reused pid can forge."""

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

_PROC = Path("/proc")


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in the file; true only while it is held."""

    pid: int
    """0: it was just being started."""
    port: int


class Lock:
    """One file, held by an instance and by what the instance started."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextlib.contextmanager
    def taking(self) -> Iterator[int]:
        """Hold it; yields the descriptor that a child must inherit. Raises BlockingIOError when it is held."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield descriptor
        finally:
            os.close(descriptor)

    @property
    def held(self) -> bool:
        try:
            descriptor = os.open(self.path, os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in {errno.EAGAIN, errno.EACCES}:
                return True
            raise
        finally:
            os.close(descriptor)
        return False

    @property
    def taken_at(self) -> datetime:
        """When the note was written."""
        return datetime.fromtimestamp(self.path.stat().st_mtime, UTC)

    def read(self) -> Note:
        """Return the note; a pid of 0 where there is none to be trusted."""
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=Note)
        except (OSError, msgspec.DecodeError):
            return Note(pid=0, port=0)

    def holders(self) -> list[int]:
        """Return the processes that hold it now: those that have the file open, by the kernel's word.

        Where there is no /proc, it is the pid of the note.
        """
        if not self.held:
            return []
        if not _PROC.is_dir():
            return [pid for pid in (self.read().pid,) if pid]
        path = self.path.resolve()
        return [pid for pid in _processes() if pid != os.getpid() and _has_open(pid, path)]


def write(descriptor: int, note: Note) -> None:
    """Replace the note through a descriptor that holds the lock."""
    data = msgspec.json.encode(note)
    os.pwrite(descriptor, data, 0)
    os.ftruncate(descriptor, len(data))


def _processes() -> Iterator[int]:
    return (int(one.name) for one in _PROC.iterdir() if one.name.isdigit())


def _has_open(pid: int, path: Path) -> bool:
    try:
        return any(one.readlink() == path for one in (_PROC / str(pid) / "fd").iterdir())
    except OSError:  # it has ended meanwhile, or is somebody else's
        return False
