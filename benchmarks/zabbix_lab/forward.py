"""34,000 values into a real Zabbix, 22,000 of which have items: our forwarder, and whoever else can send.

All take turns at the same host of the same server. The forwarder is a process of its own with all that it does:
it takes snapshots off NATS, decodes, encodes, sends, and answers with a receipt. What the others send lies ready.
"""

import asyncio
import contextlib
import os
import socket
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import NamedTuple

import zabbix_utils

from benchmarks import report
from benchmarks.lab import documents, house, monitoring
from benchmarks.zabbix_lab import values
from concierge_backends.zabbix import api, framing, packets
from concierge_proto import bus, messages, subjects

INSTANCE = "large"
TURNS = int(os.environ.get("TURNS", "7"))
QUEUE = 4
"""Snapshots of one turn: throughput is what counts, and nobody waits for the one before."""
REACH = 0.9
PATIENCE = 400.0
"""Seconds; values without an item wait for one for about three minutes."""
TOTAL = documents.NAMES * (len(documents.TIMER) + 1)
TAKEN = documents.NAMES * len(documents.WITH_ITEMS)


class Turn(NamedTuple):
    """Seconds for one snapshot, by each."""

    ours: float
    raw: float
    sender: float
    utils: float
    alone: float
    """Ours, when there is no queue: from the publish to the receipt."""


class Lane:
    """One host of one server, and all the ways to it."""

    def __init__(self, link: bus.Bus, folder: Path) -> None:
        self._link = link
        self._file = folder / "values.txt"
        self._fresh = values.snapshots(house.SERVICE, INSTANCE)
        host, _, port = os.environ["PEER_ZABBIX_TRAPPER"].rpartition(":")
        self._address = host, int(port)

    async def discover(self, door: api.Api) -> None:
        """Let Zabbix make the items."""
        subject = subjects.discovery(house.SERVICE, INSTANCE)
        await self._link.publish(self._link.pack(subject, values.discovery(house.SERVICE, INSTANCE)))
        await monitoring.discovered(door, INSTANCE, documents.NAMES)

    async def settle(self) -> None:
        """Wait until the forwarder has given up hope for the values that will never have an item."""
        async with asyncio.timeout(PATIENCE):
            while any(receipt.parked for receipt in (await self._deliver(1))[1]):  # noqa: ASYNC110 - a server
                await asyncio.sleep(5)

    async def turn(self) -> Turn:
        """Let each send once, one after the other."""
        alone = await self.ours(1)
        ours = await self.ours(QUEUE) / QUEUE
        raw = sum([await asyncio.to_thread(self._raw) for _ in range(QUEUE)]) / QUEUE
        return Turn(ours, raw, await self._sender(), await asyncio.to_thread(self._utils), alone)

    async def ours(self, count: int) -> float:
        """Return the seconds from the first publish to the last receipt; raise unless all items took their values."""
        seconds, receipts = await self._deliver(count)
        _all_of_them(min(receipt.processed for receipt in receipts))
        return seconds

    async def _deliver(self, count: int) -> tuple[float, list[messages.Receipt]]:
        subject = subjects.snapshot(house.SERVICE, INSTANCE)
        ready = [self._link.pack(subject, next(self._fresh)) for _ in range(count)]
        async with self._receipts() as heard, asyncio.timeout(60):
            began = time.perf_counter()
            for message in ready:
                await self._link.publish(message)
            receipts = [await anext(heard) for _ in ready]
            return time.perf_counter() - began, receipts

    @contextlib.asynccontextmanager
    async def _receipts(self) -> AsyncIterator[AsyncIterator[messages.Receipt]]:
        async with self._link.listening(subjects.receipt(house.SERVICE, INSTANCE)) as heard:
            yield (delivery.read(messages.Receipt) async for delivery in heard)

    def _raw(self) -> float:
        ready = values.wires(INSTANCE, next(self._fresh))
        began = time.perf_counter()
        taken = sum(packets.processed(packets.answer(self._exchange(wire))) for wire in ready)
        seconds = time.perf_counter() - began
        _all_of_them(taken)
        return seconds

    def _exchange(self, wire: bytes) -> bytes:
        with socket.create_connection(self._address) as line, line.makefile("rb") as reply:
            line.sendall(wire)
            head = reply.read(framing.HEAD)
            form = framing.lengths(head, reply.read(framing.width(head)))
            return framing.unpack(reply.read(form.data), form)

    async def _sender(self) -> float:
        await asyncio.to_thread(self._file.write_text, values.lines(INSTANCE, next(self._fresh)))
        host, port = self._address
        words = ("-z", host, "-p", str(port), "-i", str(self._file), "-T", "-N")
        began = time.perf_counter()
        child = await asyncio.create_subprocess_exec(
            os.environ["PEER_ZABBIX_SENDER"], *words, stdout=asyncio.subprocess.DEVNULL
        )
        await child.wait()
        return time.perf_counter() - began

    def _utils(self) -> float:
        rows, _ = packets.rows(INSTANCE, next(self._fresh))
        ready = [zabbix_utils.ItemValue(*_fields(row)) for row in rows]
        sender = zabbix_utils.Sender(*self._address)
        began = time.perf_counter()
        taken = sender.send(ready).processed
        seconds = time.perf_counter() - began
        _all_of_them(taken)
        return seconds


def _fields(row: packets.Row) -> Iterator[str | int]:
    return (getattr(row, name) for name in ("host", "key", "value", "clock", "ns"))


def _all_of_them(taken: int) -> None:
    if taken != TAKEN:
        raise RuntimeError(
            f"Zabbix took {taken:,} of {TAKEN:,} values that have an item: the figure would be wrong"
        )


async def measure(lane: Lane) -> list[report.Row]:
    """Return the rows; the first turn warms everything and does not count."""
    return rows([await lane.turn() for _ in range(TURNS + 1)][1:])


def rows(turns: list[Turn]) -> list[report.Row]:
    """Return what the turns come to; throughput is in values a second."""
    title = f"{TOTAL:,} values into Zabbix, {TAKEN:,} with items"
    ours = statistics.median(TOTAL / turn.ours for turn in turns)
    alone = statistics.median(turn.alone for turn in turns) * 1000
    return [
        _against(f"{title}: forwarder, rival: a raw socket with ready packets", turns, "raw", REACH),
        _against(f"{title}: forwarder, rival: zabbix_sender from a ready file", turns, "sender"),
        _against(f"{title}: forwarder, rival: zabbix-utils with ready items", turns, "utils"),
        report.Row(f"{title}: one snapshot alone, publish → receipt", alone, None, "ms", None, ""),
        report.Row(f"{title}: forwarder", ours, None, "1/s", None, ""),
    ]


def _against(what: str, turns: list[Turn], rival: str, reach: float = 0) -> report.Row:
    ratio = statistics.median(getattr(turn, rival) / turn.ours for turn in turns)
    mine = statistics.median(TOTAL / turn.ours for turn in turns)
    other = statistics.median(TOTAL / getattr(turn, rival) for turn in turns)
    return report.Row(what, mine, other, "1/s", ratio, f"≥ {reach:g} ×" if reach else "", ratio >= reach)
