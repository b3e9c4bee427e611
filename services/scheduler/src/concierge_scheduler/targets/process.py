"""Instances as local processes, each under a courier: the target that needs no Docker.

What runs is known from lock files alone, so a scheduler that was killed finds everything again. Every
instance has its own session, port and log: `SERVICE/NUMBER.lock` and `.log` in the target's directory.
"""

import asyncio
import contextlib
import logging
import os
import platform
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from concierge_proto import errors, settings
from concierge_scheduler.targets import port
from concierge_scheduler.targets.lock import Lock, Note, write

log = logging.getLogger(__name__)

GRACE = 10.0
"""Seconds from SIGTERM to SIGKILL: longer than the courier's own."""
_LOOK = 0.02
_POLITE = (0, -signal.SIGTERM, 128 + signal.SIGTERM)
"""How an instance ends that was told to."""
_PYTHONS_OWN = (signal.SIGPIPE, signal.SIGXFSZ)
"""Python ignores them; a child would inherit that."""


class Process:
    """One directory of instances."""

    whole = False
    lasting = 0.0

    def __init__(
        self, directory: Path, services: Mapping[str, settings.Service], nats_url: str, *, name: str = "local"
    ) -> None:
        self.name = name
        self._directory = directory.resolve()
        self._services = services
        self._nats_url = nats_url
        self._changing = {service: asyncio.Lock() for service in services}
        self._children: dict[int, str] = {}
        self._grace = GRACE

    async def identity(self) -> str:
        return f"process/{platform.node()}{self._directory}"

    async def read(self) -> dict[str, port.Observed]:
        self._reap()
        return {service: self._observed(service) for service in self._services}

    async def scale(self, service: str, count: int, intent: str) -> None:  # noqa: ARG002 - a number is enough
        """Start the lowest free numbers, or end the highest; returns when the ended ones are gone."""
        if service not in self._services:
            raise errors.Permanent(f"target {self.name} has no service {service}: add [services.{service}]")
        async with self._changing[service]:
            numbers = self._alive(service)
            free = (n for n in range(1, count + len(numbers) + 1) if n not in numbers)
            for _ in range(count - len(numbers)):
                self._start(service, next(free))
            await asyncio.gather(*(self._end(service, n) for n in numbers[max(count, 0) :]))

    async def act(self, service: str, deed: port.Deed) -> None:
        if service not in self._services:
            raise errors.Permanent(f"target {self.name} has no service {service}: add [services.{service}]")
        if deed.verb == "resize":
            raise errors.Permanent(
                f"target {self.name}: a process has no size; run it in a container to resize it"
            )
        async with self._changing[service]:
            for one in deed.instances:
                number = int(one.name.rpartition("-")[2])
                if deed.verb == "signal":
                    _signal([self._lock(service, number).read().pid], signal.Signals[f"SIG{deed.signal}"])
                elif not deed.since or self._lock(service, number).taken_at <= deed.since:
                    await self._end(service, number)
                    self._start(service, number)

    async def why_not(self, service: str, most: int) -> str:  # noqa: ARG002 - as many as there are ports
        process = self._services[service].process
        if process is None:
            return f"{service} has no command: add [services.{service}.process]"
        if shutil.which(process.command[0]) is None and "{" not in process.command[0]:
            return f"{service}: there is no program {process.command[0]}: install it, or write its full path"
        return ""

    async def end_all(self) -> None:
        """End every instance."""
        await asyncio.gather(*(self.scale(service, 0, "end") for service in self._services))

    async def close(self) -> None:
        """Instances live on."""
        self._reap()

    def _observed(self, service: str) -> port.Observed:
        instances = tuple(self._instance(service, n) for n in self._alive(service))
        return port.Observed(service=service, wanted=len(instances), instances=instances)

    def _instance(self, service: str, number: int) -> port.Instance:
        note, name = self._lock(service, number).read(), f"{service}-{number}"
        return port.Instance(
            id=f"{name}/{note.pid}",
            name=name,
            hostname=name,
            running=True,
            healthy=True,
            detail=f"pid {note.pid}, port {note.port}",
        )

    def _alive(self, service: str) -> list[int]:
        """Return the numbers whose lock is held, in order."""
        folder = self._directory / service
        found = (int(one.stem) for one in folder.glob("*.lock") if one.stem.isdigit())
        return sorted(number for number in found if self._lock(service, number).held)

    def _lock(self, service: str, number: int) -> Lock:
        return Lock(self._directory / service / f"{number}.lock")

    def _start(self, service: str, number: int) -> None:
        lock = self._lock(service, number)
        note = Note(pid=0, port=_free_port())
        try:
            lock.path.parent.mkdir(parents=True, exist_ok=True)
            with lock.taking() as descriptor:
                write(descriptor, note)
                pid = self._spawn(self._command(service, number, note.port), lock.path, descriptor)
                write(descriptor, Note(pid=pid, port=note.port))
        except BlockingIOError as error:
            raise errors.Temporary(f"{lock.path} is held: an instance has just come", 0.2) from error
        except OSError as error:
            raise errors.Permanent(f"{service}-{number} can't be started: {error}") from error
        self._children[pid] = f"{service}-{number}"
        log.info("%s-%d: started, pid %d, port %d", service, number, pid, note.port)

    def _spawn(self, command: list[str], lock: Path, descriptor: int) -> int:
        output = lock.with_suffix(".log")
        with contextlib.suppress(FileNotFoundError):
            output.replace(lock.with_suffix(".log.1"))
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        return os.posix_spawn(
            command[0],
            command,
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(output), flags, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
                (os.POSIX_SPAWN_DUP2, descriptor, _inherited(descriptor)),
            ],
            setsid=True,  # Ctrl-C is ours to pass on
            setsigdef=_PYTHONS_OWN,
        )

    def _command(self, service: str, number: int, free_port: int) -> list[str]:
        process = self._services[service].process
        if process is None:
            raise errors.Permanent(f"service {service} has no command: add [services.{service}.process]")
        words = {"{port}": str(free_port), "{instance}": f"{service}-{number}"}
        sources = [part for source in process.sources for part in ("--source", _filled(source, words))]
        return [
            *_courier(),
            "run",
            *("--service", service, "--instance", words["{instance}"], "--nats", self._nats_url),
            *("--interval", f"{round(process.interval * 1000)}ms"),
            *sources,
            "--",
            *(_filled(word, words) for word in process.command),
        ]

    async def _end(self, service: str, number: int) -> None:
        """SIGTERM to the courier, which passes it on; after the grace SIGKILL to whoever holds the lock."""
        lock, loop = self._lock(service, number), asyncio.get_running_loop()
        holders, pid = lock.holders(), lock.read().pid
        _signal([pid] if pid in holders else holders, signal.SIGTERM)
        until = loop.time() + self._grace
        while lock.held:
            if loop.time() > until:
                log.warning("%s-%d: did not end within %g s, killed", service, number, self._grace)
                _signal(lock.holders(), signal.SIGKILL)
            await asyncio.sleep(_LOOK)
        self._reap()

    def _reap(self) -> None:
        """Wait for children of ours that have ended; others are init's."""
        for pid, name in list(self._children.items()):
            try:
                found, status = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                found, status = pid, 0
            if found:
                del self._children[pid]
                self._tell_end(name, os.waitstatus_to_exitcode(status))

    def _tell_end(self, name: str, code: int) -> None:
        service, _, number = name.rpartition("-")
        log_file = self._lock(service, int(number)).path.with_suffix(".log")
        level = logging.INFO if code in _POLITE else logging.WARNING
        log.log(level, "%s: ended with %d; its log: %s", name, code, log_file)


@contextlib.asynccontextmanager
async def open(  # noqa: A001 - the registry's word
    name: str, config: settings.Target, services: dict[str, settings.Service], nats_url: str
) -> AsyncIterator[port.Target]:
    """Give the target for as long as it is needed."""
    target = Process(_directory(name, config), services, nats_url, name=name)
    try:
        yield target
    finally:
        await target.close()


def _directory(name: str, config: settings.Target) -> Path:
    if config.directory:
        return Path(config.directory).expanduser()
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "concierge" / name


def _courier() -> list[str]:
    """Return how to start the courier: the program beside this Python, else the module."""
    beside = shutil.which("concierge-courier", path=str(Path(sys.executable).parent))
    return [beside] if beside else [sys.executable, "-m", "concierge_courier"]


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _filled(text: str, words: Mapping[str, str]) -> str:
    for word, value in words.items():
        text = text.replace(word, value)
    return text


def _inherited(descriptor: int) -> int:
    """Return the number under which a child gets it: dup2 to the same number would leave it to close on exec."""
    return 3 if descriptor != 3 else 4  # noqa: PLR2004 - the first after the standard three


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
