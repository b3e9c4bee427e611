"""Snapshots on a disk, for an outage that is longer than the memory and for a restart of the courier.

One file each: `CSP1`, the CRC-32 of the rest, the message in msgpack. Written beside its place and then renamed,
so that there is never half of one; not synced, for a snapshot is not worth the wait. A name is its time in ns,
so that names sort by age, whatever the clock does.
"""

import contextlib
import errno
import fcntl
import logging
import os
import time
import zlib
from collections import Counter, deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from concierge_courier import troubles
from concierge_proto import bus, errors

log = logging.getLogger(__name__)

_MARK = b"CSP1"
_HEAD = len(_MARK) + 4
_TROUBLED = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO))
"""A disk that is full or broken (the kernel then lets it be read alone) is nobody's wrong option."""
_WHOLE, _HALF, _ASIDE = ".snapshot", ".new", ".corrupt"


class _File(NamedTuple):
    stamp: int
    """Wall clock in ns when it was put here."""
    size: int


class Shelf:
    """Bounded in bytes and age, oldest first. Whatever has to go is counted in `lost`, by reason."""

    def __init__(
        self,
        folder: str,
        size: int,
        age: float,
        lost: Counter[str] | None = None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        """Open it and find what an earlier courier left.

        Raises Permanent when it can't be used, Temporary when its disk is full or broken.

        Args:
            folder: This courier's own; made if it is not there.
            size: Bytes of all files.
            age: Seconds.
            lost: Counts `full`, `old`, `corrupt`.
            clock: Nanoseconds since 1970.
        """
        self._folder = Path(folder)
        self._size = size
        self._age = int(age * 1e9)
        self._clock = clock
        self.lost = Counter[str]() if lost is None else lost
        self._trouble = troubles.Trouble(log, f"spool {folder}")
        self._out: _File | None = None
        self._lock = _locked(self._folder)
        with _telling(self._folder):
            self._files = deque(self._found())
        self.bytes = sum(file.size for file in self._files)
        self._trim()

    def __len__(self) -> int:
        return len(self._files) + (self._out is not None)

    @property
    def taken(self) -> bool:
        """Whether one is on its way."""
        return self._out is not None

    @property
    def age(self) -> float:
        """Seconds of the oldest; 0 when there is none."""
        oldest = self._out or (self._files[0] if self._files else None)
        return max(0.0, (self._clock() - oldest.stamp) / 1e9) if oldest else 0.0

    def put(self, message: bus.Message) -> bool:
        """Write one, and let the oldest go for it; return False when the disk did not take it."""
        last = self._files[-1].stamp if self._files else self._out.stamp if self._out else 0
        body = msgspec.msgpack.encode(message)
        file = _File(max(self._clock(), last + 1), len(body) + _HEAD)
        half = self._path(file, _HALF)
        try:
            half.write_bytes(_MARK + zlib.crc32(body).to_bytes(4) + body)
            half.rename(self._path(file))
        except OSError as error:
            self._trouble.failed(f"{error.strerror or error}; keeping snapshots in memory")
            with contextlib.suppress(OSError):
                half.unlink(missing_ok=True)
            return False
        self._trouble.fine()
        self._files.append(file)
        self.bytes += file.size
        self._trim()
        return True

    def take(self) -> bus.Message | None:
        """Return the oldest, which stays until `done`; one that can't be read is put aside and counted."""
        self._trim()
        while self._files:
            file = self._files.popleft()
            self.bytes -= file.size
            message = self._read(file)
            if message:
                self._out = file
                return message
        return None

    def put_back(self) -> None:
        """The one that was taken could not be sent."""
        if self._out:
            self._files.appendleft(self._out)
            self.bytes += self._out.size
            self._out = None

    def done(self) -> None:
        """The one that was taken is needed no more."""
        if self._out:
            self._unlink(self._out)
            self._out = None

    def close(self) -> None:
        """Let another courier have it."""
        os.close(self._lock)

    def _found(self) -> list[_File]:
        """Clean up, and return what is whole. What is no file is somebody else's."""
        files = [path for path in self._folder.iterdir() if path.is_file()]
        for path in files:
            late = path.suffix == _ASIDE and self._clock() - path.stat().st_mtime_ns > self._age
            if late or path.suffix == _HALF:
                path.unlink(missing_ok=True)
        whole = [path for path in files if path.suffix == _WHOLE and path.stem.isdecimal()]
        return sorted(_File(int(path.stem), path.stat().st_size) for path in whole)

    def _trim(self) -> None:
        while self._files:
            old = self._clock() - self._files[0].stamp > self._age
            if not old and (self.bytes <= self._size or len(self._files) == 1):
                return
            file = self._files.popleft()
            self.bytes -= file.size
            self.lost["old" if old else "full"] += 1
            self._unlink(file)

    def _read(self, file: _File) -> bus.Message | None:
        path = self._path(file)
        try:
            return msgspec.msgpack.decode(_body(path.read_bytes()), type=bus.Message)
        except (OSError, msgspec.MsgspecError, errors.Malformed) as error:
            log.warning("spool %s: cannot be used, put aside: %s", path, error)
            self.lost["corrupt"] += 1
            with contextlib.suppress(OSError):
                path.rename(path.with_suffix(_ASIDE))
            return None

    def _unlink(self, file: _File) -> None:
        with contextlib.suppress(OSError):
            self._path(file).unlink(missing_ok=True)

    def _path(self, file: _File, suffix: str = _WHOLE) -> Path:
        return self._folder / f"{file.stamp:020d}{suffix}"


def _body(data: bytes) -> bytes:
    if data[:_HEAD] != _MARK + zlib.crc32(data[_HEAD:]).to_bytes(4):
        raise errors.Malformed("its checksum is wrong")
    return data[_HEAD:]


@contextlib.contextmanager
def _telling(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        kind = errors.Temporary if error.errno in _TROUBLED else errors.Permanent
        raise kind(f"--spool {folder}: {error.strerror}") from error


def _locked(folder: Path) -> int:
    """Return the open lock of a folder: two couriers in one would send everything twice."""
    with _telling(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise errors.Permanent(f"--spool {folder}: another courier uses it; each needs its own") from error
    return lock
