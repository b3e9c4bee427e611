"""Start peers together, run a command with their addresses, stop everything, whatever happens."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from . import docker, house, process, prometheus, zabbix

Start = Callable[[house.House, Path, AsyncExitStack], Awaitable[dict[str, str]]]
PEERS: dict[str, Start] = {
    "docker": docker.start,
    "zabbix": zabbix.start70,
    "zabbix60": zabbix.start60,
    "prometheus": prometheus.start,
}


@dataclass
class Crew:
    """What was started: variables for the command, what is missing and why, and how to stop each peer."""

    variables: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    stacks: list[AsyncExitStack] = field(default_factory=list)


async def run(at: house.House, names: Sequence[str], command: Sequence[str], *, require: bool) -> int:
    """The exit code of ``command``; 128 + n after signal n; 69 if a required peer is missing."""
    house.sweep(at)
    stopper = Stopper()
    with house.room(at) as room:
        crew = Crew()
        try:
            await process.together(*(enlist(at, room, name, crew) for name in names))
            if require and crew.missing:
                process.say("required, but missing: " + "; ".join(map(": ".join, crew.missing.items())))
                return process.UNAVAILABLE
            return await execute(at, command, crew, stopper)
        except asyncio.CancelledError:
            return 128 + stopper.number
        finally:
            stopper.task = None
            await asyncio.gather(*(stack.aclose() for stack in crew.stacks))


async def enlist(at: house.House, room: Path, name: str, crew: Crew) -> None:
    """Start one peer in a folder of its own; if it cannot be had, note why."""
    own = room / name
    own.mkdir()
    own.chmod(0o711)
    stack = AsyncExitStack()
    crew.stacks.append(stack)
    began = time.monotonic()
    try:
        given = await PEERS[name](at, own, stack)
    except (process.Unavailable, OSError) as problem:
        crew.missing[name] = str(problem)
        process.say(f"{name} is missing: {problem}")
        await stack.aclose()
        return
    process.say(f"{name} {given.pop('version')} up in {time.monotonic() - began:.1f} s")
    for key, value in given.items():
        if key.startswith("missing."):
            crew.missing[key.removeprefix("missing.")] = value
            process.say(f"{key.removeprefix('missing.')} is missing: {value}")
        else:
            crew.variables[key] = value


async def execute(at: house.House, command: Sequence[str], crew: Crew, stopper: "Stopper") -> int:
    child = await asyncio.create_subprocess_exec(
        *command,
        env=at.environment | crew.variables | {"PEER_MISSING": json.dumps(crew.missing)},
        preexec_fn=process.die_with_parent(signal.SIGTERM),
    )
    stopper.child = child
    code = await child.wait()
    return code if code >= 0 else 128 - code


class Stopper:
    """Ctrl-C and SIGTERM: before the command runs they end the start, later they are the command's to answer."""

    def __init__(self) -> None:
        self.number = 0
        self.child: asyncio.subprocess.Process | None = None
        self.task = asyncio.current_task()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self.receive, number)

    def receive(self, number: signal.Signals) -> None:
        repeated, self.number = bool(self.number), number
        if self.child is None:
            if self.task and not repeated:
                self.task.cancel()
            return
        if self.child.returncode is not None:
            return
        if repeated:
            self.child.kill()
        elif number != signal.SIGINT or not typed():
            self.child.send_signal(number)


def typed() -> bool:
    """Whether a Ctrl-C was typed at our terminal: then the command, in the same group, has it already."""
    return sys.stdin.isatty() and os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
