"""The trapper port: one request a connection, one time limit over all of it."""

import asyncio
import re
import ssl
import time
from collections.abc import Sequence
from typing import Any

from concierge_backends.zabbix import framing, packets
from concierge_proto import errors

PORT = 10051
HOPS = 3
"""Redirects that are followed for one packet."""
SMALLEST, LARGEST = 2000, 5000
"""Values of one packet: less costs connections, more holds one of the server's trappers for too long."""
SLOW = 2.0
"""Seconds that a packet may take before the next is smaller."""
CONNECTIONS = 2
"""At once: half of StartTrappers as it is shipped (5)."""

_NODE = re.compile(r"(?:\[(?P<v6>[^\]]+)\]|(?P<host>[^:\[\]]+))(?::(?P<port>\d+))?")


class Trapper:
    """The nodes of one Zabbix cluster. The first that answers is asked first from then on."""

    def __init__(self, servers: Sequence[str], limit: float, tls: ssl.SSLContext | None = None) -> None:
        self._servers = list(servers)
        self._limit = limit
        self._tls = tls
        self._moved: dict[str, str] = {}
        self._gate = asyncio.Semaphore(CONNECTIONS)
        self._size = LARGEST

    async def deliver(self, host: str, rows: Sequence[packets.Row]) -> int:
        """Send the values of one host in order; return how many Zabbix took. Raises Temporary, Permanent."""
        taken, at = 0, 0
        while at < len(rows):
            batch = rows[at : at + self._size]
            began = time.monotonic()
            taken += packets.processed(await self._ask(host, packets.values(batch)))
            self._adapt(time.monotonic() - began)
            at += len(batch)
        return taken

    async def register(self, host: str, metadata: str) -> bool:
        """Ask for the host's active checks; return whether Zabbix knows the host already."""
        reply = await self._ask(host, packets.registration(host, metadata))
        return reply.get("response") == "success"

    async def alive(self, host: str, seconds: int) -> None:
        """Say that the host is there, as an active agent does."""
        await self._exchange(self._nodes(host), packets.alive(host, seconds), answered=False)

    async def _ask(self, host: str, body: bytes) -> dict[str, Any]:
        nodes = self._nodes(host)
        for _ in range(HOPS):
            reply = packets.answer(await self._exchange(nodes, body))
            moved = packets.redirect(reply)
            if not moved:
                return reply
            self._moved[host] = moved.address
            nodes = [moved.address]
        self._moved.pop(host, None)
        raise errors.Temporary(f"host {host}: Zabbix redirected {HOPS} times, last to {nodes[0]}", 10)

    def _nodes(self, host: str) -> list[str]:
        moved = self._moved.get(host)
        return [moved, *self._servers] if moved else list(self._servers)

    async def _exchange(self, nodes: Sequence[str], body: bytes, *, answered: bool = True) -> bytes:
        """Try the nodes in order; raise Temporary with what each of them did."""
        wire = framing.pack(body)
        faults = []
        for node in nodes:
            try:
                async with self._gate, asyncio.timeout(self._limit):
                    reply = await self._talk(node, wire, answered=answered)
            except TimeoutError:
                faults.append(f"{node}: no answer within {self._limit:g} s")
            except (OSError, EOFError, errors.Temporary) as error:
                faults.append(f"{node}: {error or type(error).__name__}")
            else:
                self._prefer(node)
                return reply
        raise errors.Temporary("Zabbix is away: " + "; ".join(faults), 2)

    async def _talk(self, node: str, wire: bytes, *, answered: bool) -> bytes:
        host, port = address(node)
        reader, writer = await asyncio.open_connection(host, port, ssl=self._tls)
        try:
            writer.write(wire)
            await writer.drain()
            return await _reply(reader) if answered else await reader.read(framing.HEAD)
        finally:
            writer.close()

    def _prefer(self, node: str) -> None:
        if node in self._servers and self._servers[0] != node:
            self._servers.remove(node)
            self._servers.insert(0, node)

    def _adapt(self, seconds: float) -> None:
        """Halve a packet that was slow, grow slowly again."""
        self._size = max(SMALLEST, self._size // 2) if seconds > SLOW else min(LARGEST, self._size + 250)


def address(node: str) -> tuple[str, int]:
    """Take `host`, `host:port`, an IPv6 address or `[v6]:port` apart."""
    match = _NODE.fullmatch(node)
    if not match:
        return node, PORT
    return match["v6"] or match["host"], int(match["port"] or PORT)


def tls(ca_file: str, cert_file: str, key_file: str) -> ssl.SSLContext | None:
    """Return what is needed to speak TLS by certificate; None without a CA. Raises Permanent."""
    if not ca_file:
        return None
    try:
        context = ssl.create_default_context(cafile=ca_file)
        if cert_file:
            context.load_cert_chain(cert_file, key_file or None)
    except OSError as error:
        raise errors.Permanent(f"monitoring.zabbix: cannot use {ca_file}, {cert_file}: {error}") from error
    context.check_hostname = False  # Zabbix's certificates name a role, not an address; the CA is what counts
    return context


async def _reply(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(framing.HEAD)
    form = framing.lengths(head, await reader.readexactly(framing.width(head)))
    return framing.unpack(await reader.readexactly(form.data), form)
