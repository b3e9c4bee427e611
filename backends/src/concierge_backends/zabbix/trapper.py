"""The trapper port of one cluster: values in packets, and once more what a killed server forgot."""

import asyncio
import contextlib
import logging
import ssl
import time
from collections.abc import Collection, Coroutine, Generator, Sequence
from typing import Any

from concierge_backends.zabbix import accounts, counts, framing, journal, nodes, packets
from concierge_proto import errors

HOPS = 3
"""Redirects that are followed for one packet."""
SMALLEST, LARGEST = 2000, 5000
"""Values of one packet: less costs connections, more holds one of the server's trappers for too long."""
TOGETHER = 2
"""Packets of one time that are under way at once: the next is packed while the server reads the one before."""
SLOW = 2.0
"""Seconds that a packet may take before the next is smaller."""
QUIET = 1.0
"""Seconds without a word after which the server is asked whether it is there: a restart takes longer."""

_log = logging.getLogger(__name__)


class Trapper:
    """Accepted packets are remembered for as long as a crash of the server would lose them."""

    def __init__(
        self,
        servers: Sequence[str],
        limit: float,
        tls: ssl.SSLContext | None = None,
        connections: int = nodes.CONNECTIONS,
    ) -> None:
        self._nodes = nodes.Nodes(servers, limit, tls, connections)
        self._nodes.broken = self._doubt
        self._moved: dict[str, str] = {}
        self._size = LARGEST
        self._accepted = journal.Journal()
        self._doubtful = False
        self._heard = 0.0
        self._watch: asyncio.Task[None] | None = None

    async def close(self) -> None:
        if self._watch:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)

    async def deliver(
        self, host: str, rows: Sequence[packets.Row], live: Collection[str] | None = None, slot: str = ""
    ) -> int:
        """Send the values of one host in order; return how many Zabbix took. Raises Temporary, Permanent.

        What is remembered is sent again after a crash of the server.

        Args:
            host: Its name.
            rows: Its values.
            live: Keys whose values are not remembered, since they are void when they are old. None: all of them.
            slot: Where only the newest values are remembered.
        """
        batches = self._batches(rows)
        lanes = TOGETHER if rows and accounts.nanoseconds(rows[0]) == accounts.nanoseconds(rows[-1]) else 1

        async def lane() -> int:
            taken = 0
            try:
                for batch in batches:
                    wire, began = framing.pack(packets.values(batch)), time.monotonic()
                    accepted = await self._packet(host, wire)
                    if accepted and live is not None:
                        self._remember(journal.Entry(host, wire, len(batch), began, slot), batch, live)
                    taken += accepted
            finally:
                batches.close()
            return taken

        return await _all([lane() for _ in range(lanes)])

    def _batches(self, rows: Sequence[packets.Row]) -> Generator[Sequence[packets.Row], None, None]:
        at = 0
        while at < len(rows):
            size = self._size
            yield rows[at : at + size]
            at += size

    def forget(self, host: str) -> None:
        """It has ended, wherever its values went."""
        self._moved.pop(host, None)

    async def register(self, host: str, metadata: str) -> str:
        """Ask for the host's active checks; return why Zabbix takes nothing for it, "" when it knows the host."""
        reply = await self._ask(host, framing.pack(packets.registration(host, metadata)))
        return "" if reply.get("response") == "success" else str(reply.get("info", "refused"))

    async def alive(self, host: str, seconds: int) -> None:
        """Say that the host is there, as an active agent does."""
        await self._nodes.send(self._known(host), framing.pack(packets.alive(host, seconds)))

    async def _packet(self, host: str, wire: bytes) -> int:
        began = time.monotonic()
        accepted = packets.processed(await self._ask(host, wire))
        if not accepted:  # a proxy that has left the group takes nothing, and tells of no other
            self._moved.pop(host, None)
        self._adapt(time.monotonic() - began)
        return accepted

    def _remember(self, entry: journal.Entry, batch: Sequence[packets.Row], live: Collection[str]) -> None:
        lasting = [row for row in batch if row.key not in live] if live else batch
        if len(lasting) < len(batch):
            entry = entry._replace(wire=framing.pack(packets.values(lasting)), values=len(lasting))
        if lasting:
            self._accepted.note(entry)
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._look(), name="zabbix watch")

    async def _ask(self, host: str, wire: bytes) -> dict[str, Any]:
        known = self._known(host)
        for _ in range(HOPS):
            reply = packets.answer(await self._nodes.exchange(known, wire))
            self._heard = time.monotonic()
            moved = packets.redirect(reply)
            if not moved:
                return reply
            known = self._follow(host, moved.address)
        self._moved.pop(host, None)
        raise errors.Temporary(f"host {host}: Zabbix redirected {HOPS} times, last to {known[0]}", 10)

    def _follow(self, host: str, address: str) -> list[str]:
        """Remember where a host is now; return whom to ask next: without an address those who have not just answered."""
        if address:
            self._moved[host] = address
            return [address]
        self._moved.pop(host, None)
        answered, *others = self._nodes.servers
        return [*others, answered]

    def _known(self, host: str) -> list[str]:
        moved = self._moved.get(host)
        return [moved, *self._nodes.servers] if moved else list(self._nodes.servers)

    def _doubt(self) -> None:
        """A connection was cut, or another node took over: what was accepted a moment ago may be lost."""
        self._doubtful = bool(self._accepted)

    async def _look(self) -> None:
        """Look after the server while it may still lose something, and send that again when it did."""
        while self._accepted or self._doubtful:
            await asyncio.sleep(QUIET)
            with contextlib.suppress(errors.Temporary, errors.Permanent):
                if self._doubtful or time.monotonic() - self._heard >= QUIET:
                    await self._ask("", framing.pack(packets.values(())))
                if self._doubtful:
                    await self._again()
                else:
                    self._accepted.age()

    async def _again(self) -> None:
        """Send what was accepted before the server went away; what does not get through waits for the next time."""
        entries = self._accepted.take()
        self._doubtful = False
        for number, entry in enumerate(entries):
            try:
                await self._ask(entry.host, entry.wire)
            except errors.Temporary:
                self._doubtful = True
                for left in entries[number:]:
                    self._accepted.note(left)
                raise
            self._accepted.note(entry._replace(at=time.monotonic()))
            counts.VALUES.labels("resent").inc(entry.values)
        _log.warning(
            "Zabbix was away: sent again what it accepted before, %d values; it stores each once",
            sum(entry.values for entry in entries),
        )

    def _adapt(self, seconds: float) -> None:
        """Halve a packet that was slow, grow slowly again."""
        self._size = max(SMALLEST, self._size // 2) if seconds > SLOW else min(LARGEST, self._size + 250)


async def _all(lanes: Sequence[Coroutine[None, None, int]]) -> int:
    """Return the sum, or raise the first error once all have ended."""
    if len(lanes) == 1:
        return await lanes[0]
    results = await asyncio.gather(*lanes, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return sum(result for result in results if isinstance(result, int))
