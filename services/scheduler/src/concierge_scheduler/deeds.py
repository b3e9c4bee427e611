"""What may be done to instances besides changing their number: restart, signal, resize. Pure: no clock, no I/O."""

import math
from datetime import datetime
from typing import Literal

import msgspec

from concierge_proto import messages
from concierge_scheduler.state import Change, Size
from concierge_scheduler.targets import port

_Verb = Literal["restart", "signal", "resize"]
VERBS = frozenset({"restart", "signal", "resize"})


def complaint(command: messages.Command) -> str:
    """Return what is wrong with the arguments of an errand, and what is understood; empty: nothing."""
    if command.verb == "signal" and signal(command.arguments) not in messages.SIGNALS:
        return f"signal {command.arguments.get('signal', '')!r}: there is {', '.join(messages.SIGNALS)}"
    if command.verb == "resize" and size(command.arguments) is None:
        return "resize: give `cpus` (as 1.5), `memory` (in bytes), or both"
    return ""


def signal(arguments: dict[str, str]) -> str:
    """Return the signal's name without SIG."""
    return arguments.get("signal", "").upper().removeprefix("SIG")


def size(arguments: dict[str, str]) -> Size | None:
    """Return the size that the arguments ask for, or None where they ask for none."""
    try:
        found = Size(cpus=float(arguments.get("cpus", 0)), memory=int(arguments.get("memory", 0)))
    except ValueError:
        return None
    good = math.isfinite(found.cpus) and found.cpus >= 0 and found.memory >= 0
    return found if good and (found.cpus or found.memory) else None


def words(size: Size) -> dict[str, str]:
    """Return a size as arguments."""
    return {"cpus": f"{size.cpus:g}", "memory": str(size.memory)}


def said(size: Size) -> str:
    """Return a size for people."""
    parts = [f"{size.cpus:g} CPUs"] if size.cpus else []
    parts += [f"{size.memory / 1024**2:g} MB"] if size.memory else []
    return ", ".join(parts)


def chosen(observed: port.Observed, arguments: dict[str, str]) -> tuple[port.Instance, ...]:
    """Return the running instances that are meant: all, or the one of that name, host name or id."""
    running = tuple(one for one in observed.instances if one.running)
    name = arguments.get("instance", "")
    if not name:
        return running
    return tuple(one for one in running if name in {one.name, one.hostname, one.id})


def deed(change: Change, instances: tuple[port.Instance, ...], since: datetime | None = None) -> port.Deed:
    """Return what the target is to do for a running change."""
    wanted = size(change.arguments) or Size()
    return port.Deed(
        verb=msgspec.convert(change.verb, _Verb),
        instances=instances,
        every="instance" not in change.arguments,
        signal=signal(change.arguments),
        cpus=wanted.cpus,
        memory=wanted.memory,
        intent=change.id,
        since=since,
    )
