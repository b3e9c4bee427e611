"""What a command prints, in any form: started for each collection, with a time limit, no shell, no input."""

import contextlib
import os
import selectors
import shlex
import signal
import subprocess
import time
from typing import IO

from concierge_courier import children
from concierge_courier.sources import aside, forms, port
from concierge_proto import errors

_CHUNK = 65536
_LAST_WORDS = 300
"""Bytes of what it has to say about its failure."""


class Run:
    """One run, killed with everything it has started when it is over."""

    def __init__(self, words: list[str]) -> None:
        self._words = words
        self._where = words[0]
        self._process: subprocess.Popen[bytes] | None = None
        self._aborted = False

    def read(self, limits: port.Limits, started: port.Started) -> bytes:
        """Return what it printed; raise TimeoutError, or Temporary with the reason."""
        until = time.monotonic() + limits.patience
        try:
            with children.elsewhere(self._start) as process, process:
                try:
                    output, complaint = self._listen(process, until, limits.size, started)
                    code = process.wait(max(0.0, until - time.monotonic()))
                finally:
                    _kill(process)
        except subprocess.TimeoutExpired as error:
            raise TimeoutError from error
        except OSError as error:
            if isinstance(error, TimeoutError):
                raise
            raise errors.Temporary(f"cannot start {self._where}: {error.strerror}") from error
        if code:
            said = complaint.decode("utf-8", "replace").strip()
            raise errors.Temporary(f"{self._where} {children.told(code)}{': ' if said else ''}{said}")
        return output

    def abort(self) -> None:
        self._aborted = True
        if self._process and self._process.returncode is None:
            _kill(self._process)

    def _start(self) -> subprocess.Popen[bytes]:
        self._process = subprocess.Popen(
            self._words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,
        )
        if self._aborted:
            _kill(self._process)
        return self._process

    def _listen(
        self, process: subprocess.Popen[bytes], until: float, size: int, started: port.Started
    ) -> tuple[bytes, bytes]:
        """Return all of stdout, and the end of stderr."""
        output, complaint = bytearray(), bytearray()
        with selectors.DefaultSelector() as streams:
            for stream, into in ((process.stdout, output), (process.stderr, complaint)):
                streams.register(_open(stream), selectors.EVENT_READ, into)
            while streams.get_map():
                left = until - time.monotonic()
                if left <= 0:
                    raise TimeoutError
                for key, _ in streams.select(left):
                    chunk = os.read(key.fd, _CHUNK)
                    if not chunk:
                        streams.unregister(key.fileobj)
                    elif key.data is output and not output:
                        started()
                    key.data.extend(chunk)
                if len(output) > size:
                    raise errors.Temporary(f"{self._where} printed more than {size:,} bytes")
                del complaint[:-_LAST_WORDS]
        return bytes(output), bytes(complaint)


class Command:
    """A source that is a command."""

    def __init__(self, name: str, words: list[str]) -> None:
        self.name = name
        self._words = words
        self._decoder = forms.Decoder()
        self._aside = aside.Aside(f"source {name}")

    async def read(self, limits: port.Limits, started: port.Started) -> port.Reading:
        run = Run(self._words)
        return await self._aside.run(
            lambda: self._decoder.decode(run.read(limits, started), self.name), run.abort
        )


def source(name: str, location: str) -> port.Source:
    """Return one; raise Permanent when it is no command."""
    try:
        words = shlex.split(location)
    except ValueError as error:
        raise errors.Permanent(f"source {name}: {error}: {location!r}") from error
    if not words:
        raise errors.Permanent(f"source {name}: which command? Say exec='stats --json'")
    return Command(name, words)


def _open(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise errors.Temporary("a command without output")
    return stream


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill it with its group, which may outlive it: while a member lives, the number belongs to nobody else."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
