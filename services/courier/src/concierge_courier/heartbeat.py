"""The life of an instance, as others hear of it: beats, changes, and answers to a ping."""

import asyncio
import contextlib
import logging
import time
from datetime import UTC, datetime
from typing import Literal

import msgspec

from concierge_courier import VERSION
from concierge_proto import bus, errors, identity, messages, subjects
from concierge_proto.bus import publish

log = logging.getLogger(__name__)


class Life:
    """Who speaks, and whether the application runs."""

    def __init__(self, service: str, instance: str, interval: float) -> None:
        self.service = service
        self.instance = instance
        self.boot = identity.mint()
        """Identifies this life of the courier."""
        self.source = f"/courier/{instance}"
        self._interval = interval
        self.health = ""
        self.maintenance = False
        self._state: int | None = None
        self._reason = ""
        self._exit_code: int | None = None
        self.starts = 0
        """Of the application."""
        self._news = asyncio.Event()
        self._judged = asyncio.Event()

    def begin(self) -> None:
        """The application runs, perhaps again."""
        self._state, self._reason, self._exit_code = 1, "", None
        self.starts += 1
        self._renew()

    def end(self, reason: str, exit_code: int | None) -> None:
        """The application has stopped."""
        self._state, self._reason, self._exit_code = 0, reason, exit_code
        self._renew()

    def judged(self, health: str) -> None:
        """Its health is `passing`, `failing`, or unknown; said at once when that is new."""
        if self._judged.is_set() and health != self.health:
            self.health = health
            self._news.set()

    def maintain(self, *, on: bool) -> None:
        """Somebody works on it, or has finished."""
        if on != self.maintenance:
            log.warning("maintenance: %s", "on" if on else "off")
            self.maintenance = on
            self._renew()

    @property
    def judgeable(self) -> bool:
        """Whether its health means something: it runs, and nobody works on it."""
        return bool(self._state) and not self.maintenance

    async def until_judgeable(self) -> None:
        await self._judged.wait()

    def _renew(self) -> None:
        self.health = ""
        (self._judged.set if self.judgeable else self._judged.clear)()
        self._news.set()

    def pack(self, subject: str, content: msgspec.Struct, **envelope: str) -> bus.Message:
        """Return a message from here; it can be packed before there is a connection."""
        return publish.pack(subject, content, source=self.source, **envelope)  # type: ignore[arg-type]

    def heartbeat(self) -> bus.Message:
        beat = messages.Heartbeat(
            service=self.service,
            instance=self.instance,
            time_ns=time.time_ns(),
            boot=self.boot,
            state=self._state or 0,
            reason=self._reason,
            exit_code=self._exit_code,
            interval_s=self._interval,
            version=VERSION,
            health=self.health,
            maintenance=self.maintenance,
        )
        return self.pack(subjects.heartbeat(self.service, self.instance), beat)

    def change(self, what: Literal["started", "stopped"]) -> bus.Message:
        changed = messages.InstanceChange(
            service=self.service,
            instance=self.instance,
            change=what,
            boot=self.boot,
            reason=self._reason,
            exit_code=self._exit_code,
            at=datetime.now(UTC),
        )
        # The reason, too: of one start two ends are told, when it rests and is then stopped.
        which = (str(self.starts), self._reason)
        once = identity.derive("instance", self.service, self.instance, self.boot, what, *which)
        return self.pack(subjects.event(self.service, "instance"), changed, id=once)

    def ping(self) -> bytes:
        answer = messages.Ping(
            service=self.service,
            instance=self.instance,
            boot=self.boot,
            state=self._state or 0,
            time_ns=time.time_ns(),
        )
        return msgspec.json.encode(answer)

    async def beat(self, link: bus.Bus) -> None:
        """Say how it is, at once when that has changed and every interval, until cancelled."""
        while True:
            self._news.clear()
            if self._state is not None and link.connected:  # else nats-py would keep it and send it late
                try:
                    await link.tell(self.heartbeat())
                except errors.Temporary as error:
                    log.debug("no heartbeat: %s", error)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._interval):
                    await self._news.wait()

    async def answer(self, link: bus.Bus) -> None:
        """Answer pings until cancelled."""
        async with link.answering(subjects.ping(self.service, self.instance), self.ping):
            await asyncio.Event().wait()
