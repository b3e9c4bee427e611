"""Which kinds of target there are; a kind's library is imported only where it is used."""

import importlib
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from concierge_proto import errors, settings
from concierge_scheduler.targets import dry, port

KINDS = {
    "compose": "concierge_scheduler.targets.compose",
    "swarm": "concierge_scheduler.targets.swarm",
    "process": "concierge_scheduler.targets.process",
    "memory": "concierge_scheduler.targets.memory",
}
"""Kind to module; its `open` is an `Open`."""


class Open(Protocol):
    """Opens a target for as long as the context lasts."""

    def __call__(
        self, name: str, config: settings.Target, services: dict[str, settings.Service], nats_url: str
    ) -> AbstractAsyncContextManager[port.Target]: ...


def serving(target: port.Target, policy: settings.Service) -> port.Target:
    """Return the target as one service gets it: one that only tells, where its policy wants that."""
    return dry.Dry(target) if policy.dry_run else target


def find(kind: str) -> Open:
    """Return what opens this kind; raise Permanent where there is none."""
    if kind not in KINDS:
        raise errors.Permanent(f"target kind {kind!r}: there are {', '.join(KINDS)}")
    found: Open = importlib.import_module(KINDS[kind]).open
    return found
