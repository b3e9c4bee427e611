"""Every target its keeper, all in one task group; a target that is away stops nobody else."""

import asyncio
import contextlib
import logging
from typing import Protocol, runtime_checkable

from concierge_proto import bus, errors, settings
from concierge_scheduler.finder import Finder
from concierge_scheduler.keeper import Keeper
from concierge_scheduler.presence import Presence
from concierge_scheduler.targets import port, registry

log = logging.getLogger(__name__)

_AWAY, _REFUSED = 2.0, 30.0
"""Seconds between two tries to find an endpoint."""


@runtime_checkable
class _Owner(Protocol):
    """A target whose instances live only as long as we want."""

    async def end_all(self) -> None: ...


class Status:
    """What each target still lacks; everything is there when nothing does."""

    def __init__(self, names: list[str]) -> None:
        self._missing = dict.fromkeys(names, "not looked for yet")
        self.looked = asyncio.Event()
        if not names:
            self.looked.set()

    def note(self, name: str, missing: str) -> bool:
        """Return True where that is news; `missing` is empty when the target is attended to."""
        news, self._missing[name] = missing != self._missing[name], missing
        if "not looked for yet" not in self._missing.values():
            self.looked.set()
        return news

    @property
    def missing(self) -> str:
        return "; ".join(f"target {name}: {text}" for name, text in self._missing.items() if text)


async def run(
    config: settings.Settings,
    link: bus.Bus,
    *,
    ready: asyncio.Event | None = None,
    end_instances: bool = False,
    status: Status | None = None,
) -> None:
    """Schedule until cancelled.

    Args:
        config: With `nats.url` as instances can reach it, where a target starts processes.
        link: The bus, provisioned.
        ready: Set once every target is attended to, or stood by, or known to be away.
        end_instances: End the processes of `process` targets at the end.
        status: Told what each target lacks.
    """
    status = status or Status(list(config.targets))
    presence = Presence()
    found: dict[str, str] = {}
    async with asyncio.TaskGroup() as group:
        group.create_task(presence.run(link))
        for name in config.targets:
            finder = Finder(name, config, link) if config.targets[name].labels else None
            keeper = Keeper(name, config.services, link, presence, finder=finder)
            one = _Target(name, config, link, keeper, status)
            group.create_task(one.keep(found, end_instances=end_instances))
        await status.looked.wait()
        if ready:
            ready.set()


class _Target:
    """One name in `[targets]`."""

    def __init__(
        self, name: str, config: settings.Settings, link: bus.Bus, keeper: Keeper, status: Status
    ) -> None:
        self._name = name
        self._config = config
        self._link = link
        self._keeper = keeper
        self._status = status

    async def keep(self, found: dict[str, str], *, end_instances: bool) -> None:
        """Find the endpoint, for as long as that takes, and keep it."""
        while True:
            try:
                async with self._opened() as target:
                    await self._keep(target, found, end_instances=end_instances)
            except* errors.Temporary as group:
                if self._status.note(self._name, str(group.exceptions[0])):
                    log.warning("target %s: %s; its commands wait", self._name, group.exceptions[0])
                await asyncio.sleep(_AWAY)
            except* errors.Permanent as group:
                log.error("target %s: %s", self._name, group.exceptions[0])
                self._status.note(self._name, str(group.exceptions[0]))
                await asyncio.sleep(_REFUSED)
            except* Exception:
                log.exception("target %s: unexpected, trying again in %g s", self._name, _REFUSED)
                self._status.note(self._name, "an unexpected error, see the log")
                await asyncio.sleep(_REFUSED)

    def _opened(self) -> contextlib.AbstractAsyncContextManager[port.Target]:
        services = {
            name: policy for name, policy in self._config.services.items() if policy.target == self._name
        }
        config = self._config.targets[self._name]
        return registry.find(config.kind)(self._name, config, services, self._config.nats.url)

    async def _keep(self, target: port.Target, found: dict[str, str], *, end_instances: bool) -> None:
        endpoint = await target.identity()
        other = found.setdefault(endpoint, self._name)
        if other != self._name:
            raise errors.Permanent(f"it is the same endpoint as target {other}: move its services there")
        async with asyncio.TaskGroup() as group:
            end = target.end_all if end_instances and isinstance(target, _Owner) else None
            group.create_task(self._keeper.run(target, endpoint, end))
            group.create_task(self._report())

    async def _report(self) -> None:
        """Another scheduler may hold the lease: that is no lack."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_AWAY):
                await self._keeper.attending.wait()
        self._status.note(self._name, "")
