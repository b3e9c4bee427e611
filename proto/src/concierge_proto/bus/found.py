"""The configuration as it is now: the file's services, and those that labels add.

scheduler ──labels of a target──▶ concierge_found/TARGET ──read every 2 s──▶ gateway, forwarder, desk

The file wins: a service that it names is its own. Of two targets with a service of one name, the earlier in the file.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import msgspec

from concierge_proto import bus, errors, messages, settings
from concierge_proto.settings import labels

log = logging.getLogger(__name__)

BUCKET = "concierge_found"
EVERY = 2.0
"""Seconds between two looks. No watch: it is deaf for a while after a restart of NATS."""


def listening(config: settings.Settings) -> list[str]:
    """Return the targets whose labels the file allows."""
    return [name for name, target in config.targets.items() if target.labels]


async def read(link: bus.Bus, config: settings.Settings) -> dict[str, messages.Found]:
    """Return what was found on each target whose labels the file allows."""
    store = link.store(BUCKET)
    entries = {target: await store.get(target) for target in listening(config)}
    return {target: decode(target, entry.value) for target, entry in entries.items() if entry}


def decode(target: str, value: bytes) -> messages.Found:
    """Return a target's value; one that nobody can read says nothing, and is soon written anew."""
    try:
        found = msgspec.json.decode(value, type=messages.Found)
    except msgspec.MsgspecError as error:
        log.warning("%s/%s: %s", BUCKET, target, error)
        return messages.Found(target=target, at=datetime.now(UTC))
    return msgspec.structs.replace(found, target=target)


def policies(config: settings.Settings, found: messages.Found) -> dict[str, settings.Service]:
    """Return the policies of one target's services that the file does not name. Pure."""
    most = config.targets[found.target].labels_max
    policies: dict[str, settings.Service] = {}
    for name, one in found.services.items():
        try:
            policies[name] = labels.policy(found.target, one.called, one.labels, most)
        except labels.Wrong as error:  # the scheduler that found it has another file
            log.warning("labels of %s: %s", name, error)
    return {name: policy for name, policy in policies.items() if name not in config.services}


def merge(config: settings.Settings, found: Mapping[str, messages.Found]) -> dict[str, settings.Service]:
    """Return the file's services, then the targets' in the file's order. Pure."""
    merged = dict(config.services)
    for target in listening(config):
        if target in found:
            for name, policy in policies(config, found[target]).items():
                merged.setdefault(name, policy)
    return merged


async def merged(link: bus.Bus, config: settings.Settings) -> settings.Settings:
    """Return the configuration as it is at this moment."""
    return msgspec.structs.replace(config, services=merge(config, await read(link, config)))


class Catalogue:
    """A configuration whose `services` follow the labels, for as long as it runs."""

    def __init__(self, file: settings.Settings, changed: Callable[[], None] = lambda: None) -> None:
        self._file = file
        self._changed = changed
        self.config = msgspec.structs.replace(file, services=dict(file.services))
        """`services` stays one mapping, changed in place: take a copy before awaiting in a loop over it."""
        self.ready = asyncio.Event()
        """Set when it was read once, and at once where the file allows no labels."""
        if not listening(file):
            self.ready.set()

    async def look(self, link: bus.Bus) -> None:
        """Read once; raises what the bus raises."""
        wanted = merge(self._file, await read(link, self._file))
        if wanted == self.config.services:
            return
        self.config.services.clear()
        self.config.services.update(wanted)
        self._changed()

    async def run(self, link: bus.Bus) -> None:
        """Follow until cancelled; at once done where the file allows no labels."""
        while listening(self._file):
            try:
                await self.look(link)
                self.ready.set()
            except errors.Temporary as error:
                log.info("labels: %s", error)
            except errors.Permanent as error:
                log.warning("labels: %s", error)
                self.ready.set()  # the file's own services do not wait for what the bus refuses
            await asyncio.sleep(EVERY)
