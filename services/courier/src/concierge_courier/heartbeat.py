"""The life of an instance, as others hear of it: beats, changes, and answers to a ping."""

import asyncio
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
        self._state = 1
        self._reason = ""
        self._exit_code: int | None = None

    def end(self, reason: str, exit_code: int | None) -> None:
        """The application has stopped."""
        self._state, self._reason, self._exit_code = 0, reason, exit_code

    def pack(self, subject: str, content: msgspec.Struct, **envelope: str) -> bus.Message:
        """Return a message from here; it can be packed before there is a connection."""
        return publish.pack(subject, content, source=self.source, **envelope)  # type: ignore[arg-type]

    def heartbeat(self) -> bus.Message:
        beat = messages.Heartbeat(
            service=self.service,
            instance=self.instance,
            time_ns=time.time_ns(),
            boot=self.boot,
            state=self._state,
            reason=self._reason,
            exit_code=self._exit_code,
            interval_s=self._interval,
            version=VERSION,
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
        once = identity.derive("instance", self.service, self.instance, self.boot, what)
        return self.pack(subjects.event(self.service, "instance"), changed, id=once)

    def ping(self) -> bytes:
        answer = messages.Ping(
            service=self.service,
            instance=self.instance,
            boot=self.boot,
            state=self._state,
            time_ns=time.time_ns(),
        )
        return msgspec.json.encode(answer)

    async def beat(self, link: bus.Bus) -> None:
        """Say that the application runs, now and every interval, until cancelled or it has ended."""
        while self._state:
            if link.connected:  # else nats-py would keep it and send it late
                try:
                    await link.tell(self.heartbeat())
                except errors.Temporary as error:
                    log.debug("no heartbeat: %s", error)
            await asyncio.sleep(self._interval)

    async def answer(self, link: bus.Bus) -> None:
        """Answer pings until cancelled."""
        async with link.answering(subjects.ping(self.service, self.instance), self.ping):
            await asyncio.Event().wait()
