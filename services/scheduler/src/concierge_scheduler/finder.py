"""Finds services by the labels of one target, and publishes what it found for everybody who routes by it.

labels ──judge──▶ the keeper adopts it ──not what stands there──▶ events, then concierge_found/TARGET
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from concierge_proto import bus, errors, identity, messages, settings, subjects
from concierge_proto.bus import found
from concierge_proto.settings import labels
from concierge_scheduler.targets.found import Labelled

log = logging.getLogger(__name__)

EVERY = 5.0
"""Seconds between two looks: one child of Docker at a swarm, none at a compose file that was not written."""

Policies = dict[str, settings.Service]
Adopt = Callable[[Policies], Awaitable[None]]


class News(NamedTuple):
    """One change, as it stands in the audit log."""

    service: str
    what: str
    """`labels_found`, `labels_changed`, `labels_gone` or `labels_refused`."""
    detail: str


class Finder:
    """One target's; asked by the holder of its lease alone."""

    def __init__(
        self, target: str, config: settings.Settings, link: bus.Bus, every: float | None = None
    ) -> None:
        self._target = target
        self._config = config
        self._link = link
        self._store = link.store(found.BUCKET)
        self._every = every or EVERY
        self._revision = 0
        self._known = messages.Found(target=target, at=datetime.now(UTC))

    async def recall(self) -> Policies:
        """Return what was published last, maybe by an earlier holder: it counts until the labels are read."""
        entry = await self._store.get(self._target)
        self._revision = entry.revision if entry else 0
        if entry:
            self._known = found.decode(self._target, entry.value)
        return found.policies(self._config, self._known)

    def why_not(self, service: str) -> str:
        """Return what is wrong with the labels of a service that is not among the found; "" where there are none."""
        return next((one.words for one in self._known.refused if one.called == service), "")

    async def run(self, target: Labelled, lease: bus.Lease, adopt: Adopt) -> None:
        """Look until cancelled. A target that does not answer changes nothing: what was found last counts."""
        while True:
            try:
                await self.look(target, lease, adopt)
            except errors.ConciergeError as error:
                log.info("target %s: labels: %s", self._target, error)
            except Exception:
                log.exception("target %s: unexpected, looking for labels again later", self._target)
            await asyncio.sleep(self._every)

    async def look(self, target: Labelled, lease: bus.Lease, adopt: Adopt) -> None:
        """Read the labels; then let the keeper know, so that it is ready when others route by what is published."""
        seen = await target.labels()
        fresh = judge(self._target, self._config, seen, await self._taken())
        await adopt(found.policies(self._config, fresh))
        if (fresh.services, fresh.refused) != (self._known.services, self._known.refused):
            await self._publish(fresh, lease)

    async def _taken(self) -> dict[str, str]:
        """Return the names that labels can't have: the file's, and those of targets that stand before this one."""
        taken = {name: f"[services.{name}] of the file wins" for name in self._config.services}
        for target, other in (await found.read(self._link, self._config)).items():
            if target == self._target:
                break
            for name in other.services:
                taken.setdefault(name, f"target {target}, which stands before, has a service of this name")
        return taken

    async def _publish(self, fresh: messages.Found, lease: bus.Lease) -> None:
        """Events first: a crash in between publishes them again under the same ids."""
        for one in news(self._known, fresh):
            await self._tell(one)
        if not lease.held:
            raise errors.Temporary(f"the lease of target {self._target} is lost")
        try:
            self._revision = await self._write(fresh)
        except bus.Conflict:
            await self.recall()
            raise
        self._known = fresh

    async def _write(self, fresh: messages.Found) -> int:
        if not (fresh.services or fresh.refused):
            await self._store.delete(self._target, self._revision or None)
            return 0
        value = msgspec.json.encode(fresh)
        if self._revision:
            return await self._store.update(self._target, value, self._revision)
        return await self._store.create(self._target, value)

    async def _tell(self, one: News) -> None:
        log.info("target %s: %s %s: %s", self._target, one.what, one.service, one.detail)
        control = messages.Control(
            service=one.service,
            what=one.what,
            detail=one.detail,
            owner=f"labels on target {self._target}",
            at=datetime.now(UTC),
        )
        before = self._known.at.isoformat()  # a revision begins at 0 again once everything was gone
        key = identity.derive("labels", self._target, before, *one)
        await self._link.publish(self._link.pack(subjects.event(one.service, "control"), control, id=key))


def judge(
    target: str,
    config: settings.Settings,
    seen: Mapping[str, Mapping[str, str]],
    taken: Mapping[str, str],
) -> messages.Found:
    """Return what the labels of a target's services, by what Docker calls them, come to. Pure but for its time."""
    services: dict[str, messages.Labelled] = {}
    refused: list[messages.Refused] = []
    written = {called: labels.ours(each) for called, each in sorted(seen.items())}
    names = _names(target, config, written)
    for called, own in written.items():
        try:
            if labels.enabled(own):
                name = names.get(called) or labels.name(called, own)
                _check(name, own, list(names.values()), taken)
                labels.policy(target, called, own, config.targets[target].labels_max)
                services[name] = messages.Labelled(called=called, labels=own)
        except labels.Wrong as error:
            refused.append(_refused(called, error))
    return messages.Found(target=target, services=services, refused=tuple(refused), at=datetime.now(UTC))


def _names(
    target: str, config: settings.Settings, written: Mapping[str, Mapping[str, str]]
) -> dict[str, str]:
    """Return the names that services ask for; one that the file knows under another name keeps that."""
    theirs = {one.name or name: name for name, one in config.services.items() if one.target == target}
    names = {called: theirs.get(called) or _name(called, own) for called, own in written.items()}
    return {called: name for called, name in names.items() if name}


def _check(name: str, own: Mapping[str, str], names: Sequence[str], taken: Mapping[str, str]) -> None:
    if name in taken:
        raise labels.Wrong(labels.ENABLE, own[labels.ENABLE], taken[name])
    if names.count(name) > 1:
        raise labels.Wrong(labels.NAME, name, "another service here has this name: give it its own")


def news(old: messages.Found, new: messages.Found) -> Iterator[News]:
    """Yield what differs. Pure."""
    for name, one in new.services.items():
        before = old.services.get(name)
        if before != one:
            yield News(name, "labels_changed" if before else "labels_found", _words(one))
    for name in old.services.keys() - new.services.keys():
        yield News(name, "labels_gone", "it takes no commands any more; its instances stay as they are")
    for refused in set(new.refused) - set(old.refused):
        yield News(_filed(refused.called, old), "labels_refused", refused.words)


def _name(called: str, own: Mapping[str, str]) -> str:
    """Return the name that a service asks for; "" where it asks for nothing, or for nothing good."""
    try:
        return labels.name(called, own) if labels.enabled(own) else ""
    except labels.Wrong:
        return ""


def _refused(called: str, error: labels.Wrong) -> messages.Refused:
    return messages.Refused(called=called, label=error.label, value=error.value[:80], reason=error.reason)


def _words(one: messages.Labelled) -> str:
    said = (f"{label.removeprefix(labels.PREFIX)}={value}" for label, value in sorted(one.labels.items()))
    return f"{one.called}: {' '.join(said)}"[:1000]


def _filed(called: str, old: messages.Found) -> str:
    """Return under whose name a refusal stands: what it was found as before, else what Docker calls it."""
    before = next((name for name, one in old.services.items() if one.called == called), called)
    try:
        return subjects.name(before)
    except errors.Malformed:
        return subjects.NOBODY
