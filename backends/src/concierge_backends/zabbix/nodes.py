"""The nodes of one Zabbix cluster: one request a connection, one time limit over all of it."""

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from concierge_backends.zabbix import framing
from concierge_proto import errors

PORT = 10051
CONNECTIONS = 2
"""At once: half of StartTrappers as it is shipped (5)."""

_CUT = "it cut the TLS handshake: see that the host in Zabbix has our pre-shared key, or its server our CA"
"""Zabbix says nothing more, neither for an unknown identity nor for another key."""
_NODE = re.compile(r"(?:\[(?P<v6>[^\]]+)\]|(?P<host>[^:\[\]]+))(?::(?P<port>\d+))?")
T = TypeVar("T")


class Nodes:
    """The first that answers is asked first from then on. `broken`: a connection was cut, or another node took over."""

    def __init__(
        self,
        servers: Sequence[str],
        limit: float,
        tls: ssl.SSLContext | None = None,
        connections: int = CONNECTIONS,
    ) -> None:
        self.servers = list(servers)
        self.broken: Callable[[], None] = lambda: None
        self._limit = limit
        self._tls = tls
        self._gate = asyncio.Semaphore(connections)

    async def exchange(self, nodes: Sequence[str], wire: bytes) -> bytes:
        """Return the reply of the first node that gives one; raise Temporary with what each of them did."""
        return await self._first(nodes, lambda node: self._talk(node, wire, _reply))

    async def send(self, nodes: Sequence[str], wire: bytes) -> None:
        """Send what is not answered; raise Temporary."""
        await self._first(nodes, lambda node: self._talk(node, wire, _end))

    async def _first(self, nodes: Sequence[str], talk: Callable[[str], Awaitable[T]]) -> T:
        faults = []
        for node in nodes:
            try:
                async with self._gate, asyncio.timeout(self._limit):
                    answer = await talk(node)
            except TimeoutError:
                faults.append(f"{node}: no answer within {self._limit:g} s")
            except errors.Temporary as error:
                faults.append(f"{node}: {error}")
            except (OSError, EOFError) as error:
                self.broken()
                faults.append(f"{node}: {str(error) or type(error).__name__}")
            else:
                self._prefer(node)
                return answer
        raise errors.Temporary("Zabbix is away: " + "; ".join(faults), 2)

    async def _talk(self, node: str, wire: bytes, read: Callable[[asyncio.StreamReader], Awaitable[T]]) -> T:
        reader, writer = await self._connect(*address(node))
        try:
            writer.write(wire)
            await writer.drain()
            return await read(reader)
        finally:
            writer.close()

    async def _connect(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            return await asyncio.open_connection(host, port, ssl=self._tls)
        except ConnectionResetError as error:
            raise (ConnectionResetError(_CUT) if self._tls else error) from error

    def _prefer(self, node: str) -> None:
        if node in self.servers and self.servers[0] != node:
            self.servers.remove(node)
            self.servers.insert(0, node)
            self.broken()


def address(node: str) -> tuple[str, int]:
    """Take `host`, `host:port`, an IPv6 address or `[v6]:port` apart."""
    match = _NODE.fullmatch(node)
    if not match:
        return node, PORT
    return match["v6"] or match["host"], int(match["port"] or PORT)


async def _reply(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(framing.HEAD)
    form = framing.lengths(head, await reader.readexactly(framing.width(head)))
    return framing.unpack(await reader.readexactly(form.data), form)


async def _end(reader: asyncio.StreamReader) -> None:
    await reader.read(framing.HEAD)
