"""Webhooks by the thousand, over kept connections: the sender, as cheap as it can be."""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from concierge_proto import identity, signature

Request = Callable[[], bytes]
"""Makes the next request, ready for the wire."""


class Heard(NamedTuple):
    """What a load was answered with."""

    seconds: float
    delays: list[float]
    """Seconds from when each request was due to its answer."""


def asking(url: str, path: str, key: bytes) -> Request:
    """Return what makes signed webhooks of the generic kind, each a problem of its own."""
    host = urlsplit(url).netloc

    def make() -> bytes:
        problem = {
            "event_id": identity.mint(),
            "status": "problem",
            "service": "web",
            "name": "High load on web",
            "action": "scale_out 1",
        }
        body = msgspec.json.encode(problem)
        headers = {"host": host, "content-type": "application/json", "content-length": str(len(body))}
        headers |= signature.headers(key, "bench", int(time.time()), body)
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body

    return make


async def flood(url: str, make: Request, count: int, lanes: int) -> Heard:
    """Send `count` requests over `lanes` connections, each as soon as the one before is answered."""
    requests = [make() for _ in range(count)]
    queue = iter(requests)
    return await _send(url, lanes, lambda: ((0.0, request) for request in queue))


async def pace(url: str, make: Request, rate: float, count: int, lanes: int) -> Heard:
    """Send `rate` requests a second, whether or not the ones before are answered; `lanes` is plenty."""
    requests = [make() for _ in range(count)]
    began = time.perf_counter() + 0.1
    queue = iter([(began + number / rate, request) for number, request in enumerate(requests)])
    return await _send(url, lanes, lambda: queue)


async def _send(url: str, lanes: int, schedule: Callable[[], Iterator[tuple[float, bytes]]]) -> Heard:
    delays: list[float] = []
    where = urlsplit(url)
    opened = [await asyncio.open_connection(where.hostname, where.port) for _ in range(lanes)]
    began = time.perf_counter()
    await asyncio.gather(*(_lane(reader, writer, schedule(), delays) for reader, writer in opened))
    seconds = time.perf_counter() - began
    for _, writer in opened:
        writer.close()
        await writer.wait_closed()
    return Heard(seconds, delays)


async def _lane(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    schedule: Iterator[tuple[float, bytes]],
    delays: list[float],
) -> None:
    for due, request in schedule:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        sent = due or time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        answer = await reader.readexactly(length)
        if not head.startswith(b"HTTP/1.1 202"):
            raise RuntimeError(f"answered {head[:12].decode()}: {answer.decode()}")
        delays.append(time.perf_counter() - sent)
