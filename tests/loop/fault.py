"""A service with fault points: `python -m tests.loop.fault MODULE --config FILE` runs it as `python -m MODULE` would.

A point is passed before and after each message that is stored, each acknowledgement and each call of Docker.
`FAULT` names a folder: every point becomes a line of its file `passed`, and its file `rule` says where to kill -9,
`PLACE:MOMENT:NUMBER`, and with `:PID` who is killed instead of the service itself, or `:STOP` that it is only stopped.
A rule is obeyed once.
"""

import asyncio
import contextlib
import functools
import os
import runpy
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import nats.errors

from concierge_proto.bus import acks, worker
from concierge_scheduler.targets import docker, registry
from tests.loop import paper

LEASES = "$KV.concierge_leases."
"""No points: the clock renews them, and none would have the same number twice."""
CALL = 0.15
"""Seconds into a call of Docker for the moment `during`: compose has begun, and has not ended."""
CHANGES = "up"


class Door:
    """The folder by which a test looks at the points and chooses one."""

    def __init__(self, folder: Path) -> None:
        self._rule = folder / "rule"
        self._passed = folder / "passed"
        self._one = threading.Lock()
        self._obeyed = ""
        self._count = 0

    def point(self, place: str, moment: str, name: str) -> None:
        """Pass a point; the one that the rule names is the last that its victim sees."""
        with self._one:
            line = f"{place}:{moment} {name}"
            _add(self._passed, line)
            due = self._due(f"{place}:{moment}:")
            if due is not None:
                _add(self._passed, f"killed {line}")
                number = signal.SIGSTOP if due == "STOP" else signal.SIGKILL
                os.kill(int(due) if due.isdigit() else os.getpid(), number)

    def asked_for(self, kind: str) -> bool:
        """Return whether the rule names points of this kind."""
        return self._rule.exists() and self._rule.read_text().startswith(kind)

    def _due(self, kind: str) -> str | None:
        """Count, and return what the rule has behind its number when that is reached."""
        rule = self._rule.read_text() if self._rule.exists() else ""
        if rule != self._obeyed:
            self._obeyed, self._count = rule, 0
        if not rule.startswith(kind):
            return None
        self._count += 1
        number, _, rest = rule.removeprefix(kind).partition(":")
        if self._count < int(number):
            return None
        self._rule.unlink()
        return rest


def _add(path: Path, line: str) -> None:
    with path.open("a") as file:
        file.write(f"{line}\n")


def sent(door: Door, work: Callable[..., Awaitable[asyncio.Future[acks.Answer]]]) -> Any:
    """Return how a message is stored, with its points; after means that the server has answered."""

    @functools.wraps(work)
    async def guarded(self: acks.Acks, subject: str, *rest: Any) -> asyncio.Future[acks.Answer]:
        if subject.startswith(LEASES):
            return await work(self, subject, *rest)
        door.point("bus", "before", subject)
        answer = await work(self, subject, *rest)
        if door.asked_for("bus:after:"):
            await asyncio.wait([answer])
        door.point("bus", "after", subject)
        return answer

    return guarded


def acknowledged(door: Door, work: Callable[..., Awaitable[None]]) -> Any:
    """Return how a command is taken off, with its points; after means that the server has heard it."""

    @functools.wraps(work)
    async def guarded(self: worker.Delivery) -> None:
        door.point("bus", "before", "acknowledge")
        await work(self)
        if door.asked_for("bus:after:"):
            with contextlib.suppress(nats.errors.Error, OSError):
                await self._message._client.flush(2)
        door.point("bus", "after", "acknowledge")

    return guarded


def scaled(door: Door, work: Callable[..., Awaitable[None]]) -> Any:
    """Return the `scale` of an endpoint that is no Docker, with its two points."""

    @functools.wraps(work)
    async def guarded(*given: Any) -> None:
        door.point("docker", "before", "scale")
        await work(*given)
        door.point("docker", "after", "scale")

    return guarded


def called(door: Door, work: Callable[..., Any]) -> Any:
    """Return a call of Docker, made in a thread, with its points."""

    @functools.wraps(work)
    def guarded(*given: Any, **named: Any) -> Any:
        words = [one for one in given if isinstance(one, tuple)][-1]
        door.point("docker", "before", words[0])
        with _during(door, words[0]):
            found = work(*given, **named)
        door.point("docker", "after", words[0])
        return found

    return guarded


@contextlib.contextmanager
def _during(door: Door, name: str) -> Iterator[None]:
    """Pass a point in the middle of a call that changes something."""
    timer = threading.Timer(CALL, door.point, ("docker", "during", name))
    if name == CHANGES:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


def install(door: Door) -> None:
    """Put the points in, once, before anything runs."""
    for owner, attribute, replacement in (
        (acks.Acks, "send", sent(door, acks.Acks.send)),
        (worker.Delivery, "acknowledge", acknowledged(door, worker.Delivery.acknowledge)),
        (paper.Paper, "scale", scaled(door, paper.Paper.scale)),
        (docker.Client, "_call", called(door, docker.Client._call)),
    ):
        mock.patch.object(owner, attribute, replacement).start()
    registry.KINDS["process"] = "tests.loop.paper"


if __name__ == "__main__":
    install(Door(Path(os.environ["FAULT"])))
    module = sys.argv.pop(1)
    runpy.run_module(module, run_name="__main__", alter_sys=True)
