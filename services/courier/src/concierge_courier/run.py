"""The courier's whole life: the application, its metrics, and what others hear of both."""

import asyncio
import contextlib
import logging
import math
import socket
import time
from collections.abc import AsyncIterator, Sequence
from typing import Literal

from concierge_courier import (
    VERSION,
    collect,
    control,
    discover,
    heartbeat,
    online,
    options,
    receipts,
    shelf,
    spool,
    stages,
    supervise,
    troubles,
)
from concierge_courier.sources import port
from concierge_proto import errors, messages, subjects

log = logging.getLogger(__name__)

_FAREWELL = 3.0
"""Seconds that the snapshots that wait may take at the end, and the last words when nobody told us to stop."""
_LAST = 1.0
"""Seconds for the last words when the grace period was used up: `docker stop` gives two more than that."""
_CHANGES = 50
"""Changes of each sort that wait for NATS: an application that dies again and again fills no memory."""
_PATIENCE = 5.0
"""Seconds that a receipt may take, when the interval is shorter."""


class Courier:
    """Turns collections into what waits for NATS."""

    def __init__(self, chosen: options.Options, sources: Sequence[port.Source]) -> None:
        self.life = heartbeat.Life(chosen.service, chosen.instance, chosen.heartbeat)
        self.spool = spool.Spool(chosen.buffer, chosen.buffer_age, disk=_disk(chosen))
        self.receipts = receipts.Receipts(max(chosen.interval, _PATIENCE))
        self.begun = asyncio.Event()
        """Set when the application has started for the first time."""
        self._interval = float(chosen.interval)
        self._limits = chosen.limits
        self._sources = sources
        self._discoverer = discover.Discoverer()
        self._troubles = {source.name: troubles.Trouble(log, f"source {source.name}") for source in sources}
        self._clash = troubles.Trouble(log, "names")
        self._skipped = 0
        self._seq = 0

    async def forever(self) -> None:
        """Collect on the beat; one that would come late is skipped and counted."""
        due = time.monotonic()
        while True:
            await self.turn()
            due += self._interval
            late = max(0, math.ceil((time.monotonic() - due) / self._interval))
            self._skipped += late
            due += late * self._interval
            await asyncio.sleep(due - time.monotonic())

    async def turn(self) -> None:
        """Collect once: discovery first, when it is due, so that nothing arrives before it is known."""
        shot = await collect.shoot(self._sources, self._limits)
        news = [self._note(read) for read in shot.reads]
        if any(news):
            self._compare(shot.blocks)
        self._discover(shot.time_ns)
        snapshot = self.snapshot(shot)
        self.receipts.sent(snapshot.id, shot.started)
        subject = subjects.snapshot(snapshot.service, snapshot.instance)
        self.spool.add(self.life.pack(subject, snapshot, id=snapshot.id))

    def snapshot(self, shot: collect.Shot) -> messages.Snapshot:
        """Return what is sent, with the courier's own facts beside the application's."""
        self._seq += 1
        facts = collect.item(
            {
                "courier.elapsed": self.receipts.take(),
                "courier.collect": shot.elapsed if self._sources else None,
                "courier.skipped": self._skipped,
                "courier.unusable": shot.unusable,
                **self.spool.facts(),
            }
        )
        return messages.Snapshot(
            service=self.life.service,
            instance=self.life.instance,
            time_ns=shot.time_ns,
            seq=self._seq,
            boot=self.life.boot,
            interval_s=self._interval,
            blocks=(*shot.blocks, facts),
            sources=shot.reports,
        )

    def _note(self, read: collect.Read) -> bool:
        """Return whether there are other names than before."""
        trouble = self._troubles[read.report.name]
        if not read.reading:
            trouble.failed(read.report.error)
            return False
        trouble.fine()
        return self._discoverer.see(read.report.name, read.reading.blocks)

    def _compare(self, blocks: Sequence[messages.Block]) -> None:
        clash = discover.clash(blocks)
        if clash:
            self._clash.failed(clash)
        else:
            self._clash.fine()

    def _discover(self, time_ns: int) -> None:
        kinds = self._discoverer.due()
        if kinds is None:
            return
        found = messages.Discovery(
            service=self.life.service,
            instance=self.life.instance,
            time_ns=time_ns,
            boot=self.life.boot,
            kinds=kinds,
            facts={"courier": VERSION, "host": socket.gethostname()},
        )
        subject = subjects.discovery(found.service, found.instance)
        self.spool.keep(self.life.pack(subject, found), "discovery")

    def start(self) -> None:
        self.life.begin()
        self._change("started")
        self.begun.set()

    def rest(self, end: supervise.End, pause: float) -> None:
        self.life.end(f"{end.reason}, started again in {pause:g} s", end.exit_code)
        self._change("stopped")

    def end(self, end: supervise.End) -> None:
        """Say why, before any snapshot that waits."""
        self.life.end(end.reason, end.exit_code)
        self.spool.closing.set()
        self.spool.keep(self.life.heartbeat(), "heartbeat")
        self._change("stopped")

    def _change(self, what: Literal["started", "stopped"]) -> None:
        self.spool.keep(self.life.change(what), f"{what} {self.life.starts % _CHANGES}")


async def run(chosen: options.Options, sources: Sequence[port.Source]) -> int:
    """Live as long as the application does, and return its exit code. Raises NotStarted."""
    courier = Courier(chosen, sources)
    with supervise.house(chosen.grace) as house:
        for source in sources:
            if isinstance(source, port.Watching):
                source.watch(lambda: house.pid)
        async with control.door(chosen.runtime_dir, courier.life), _online(chosen, courier):
            end = await stages.through(chosen, house, courier)
            with contextlib.suppress(TimeoutError):
                await _farewell(courier, house)
    courier.spool.close()
    return end.code


def _disk(chosen: options.Options) -> shelf.Shelf | None:
    if not chosen.spool or chosen.dry_run:
        return None
    try:
        return shelf.Shelf(chosen.spool, chosen.spool_size, chosen.spool_age)
    except errors.Temporary as error:  # the application shall start
        log.warning("%s; keeping snapshots in memory", error)
        return None


async def _farewell(courier: Courier, house: supervise.House) -> None:
    """Wait for the last words to be stored, within the grace period, and for a moment for what else waits."""
    async with asyncio.timeout(max(house.left, _LAST) if house.told.is_set() else _FAREWELL):
        await courier.spool.said()
        async with asyncio.timeout(_FAREWELL):
            await courier.spool.emptied()


@contextlib.asynccontextmanager
async def _online(chosen: options.Options, courier: Courier) -> AsyncIterator[None]:
    """Speak and collect while the context is open."""
    tasks = [
        asyncio.create_task(online.run(chosen.nats, courier.life, courier.spool, courier.receipts)),
        asyncio.create_task(_collecting(courier)),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=_LAST)  # what nats-py does not let go ends with the process


async def _collecting(courier: Courier) -> None:
    """Collect from the application's start to its end."""
    await courier.begun.wait()
    collecting = asyncio.create_task(_enduring(courier))
    try:
        await courier.spool.closing.wait()
    finally:
        collecting.cancel()
        await asyncio.gather(collecting, return_exceptions=True)


async def _enduring(courier: Courier) -> None:
    """Collect whatever happens: a mistake of the courier is told, and the application goes on."""
    while True:
        try:
            await courier.forever()
        except Exception:
            log.exception("unexpected; collecting again")
            await asyncio.sleep(_PATIENCE)
