"""A thousand services with ten triggers each, all at once: in order for each, nobody starved, memory bounded.

Gateway, scheduler and NATS are real processes; the instances are numbers in the scheduler's memory. Each service has
five problems, and the first four end again; one service cries as much as a hundred others together.
"""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from concierge_proto import bus, messages, signature
from concierge_proto.bus import journal
from tests.loop import crash, verdict
from tests.peers import process

SERVICES, LANES, EACH, LOUD = 1000, 16, 9, 1009
PATIENCE = 280.0
MEMORY = 250
"""Megabytes that either process may take at its most."""
CONFIG = """
[nats]
url = "{url}"
[scheduler]
listen = ""
[gateway]
listen = "127.0.0.1:{port}"
[gateway.sources.own]
kind = "generic"
secret_file = "{key}"
rate = 1000000
[targets.shop]
kind = "process"
"""
SERVICE = """
[services.{name}]
target = "shop"
min = 0
max = 20
heard = false
settle = "0s"
cooldown_out = "3s"
process = {{ command = ["true"] }}
"""


class Cry(NamedTuple):
    """One webhook."""

    service: str
    problem: int
    status: str

    @property
    def body(self) -> bytes:
        fields = {
            "event_id": f"{self.service}-{self.problem}",
            "status": self.status,
            "service": self.service,
        }
        return msgspec.json.encode({**fields, "action": "scale_out 1"})


def names() -> list[str]:
    return [f"s{number}" for number in range(SERVICES)]


def cries(service: str, number: int) -> Iterator[Cry]:
    """Problem, its end, the next problem, and so on: the last one stays."""
    for step in range(number):
        yield Cry(service, step // 2, "resolved" if step % 2 else "problem")


class Lane:
    """One connection, on which one webhook follows the other."""

    def __init__(self, port: int) -> None:
        self._port = port

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        yield
        self._writer.close()

    async def send(self, cry: Cry) -> None:
        """Post it until it is taken: a service with a hundred commands waiting must come again."""
        while await self._post(cry.body) == 503:
            await asyncio.sleep(0.1)

    async def _post(self, body: bytes) -> int:
        signed = signature.headers(verdict.KEY.encode(), "m", int(time.time()), body)
        lines = {"host": "x", "content-type": "application/json", "content-length": str(len(body)), **signed}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._writer.write(f"POST /webhooks/own HTTP/1.1\r\n{head}\r\n".encode() + body)
        answer = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(answer.partition(b"content-length: ")[2].split(b"\r\n")[0])
        text = await self._reader.readexactly(length)
        status = int(answer.split(b" ", 2)[1])
        assert status in {202, 503}, (answer, text)
        return status


async def cry(port: int, services: list[str], number: int) -> None:
    """Send the services' webhooks round by round, each service's in its order."""
    lane = Lane(port)
    async with lane.open():
        for one in zip(*(cries(service, number) for service in services), strict=True):
            for each in one:
                await lane.send(each)


@contextlib.asynccontextmanager
async def house(url: str, folder: Path, services: list[str]) -> AsyncIterator[tuple[int, list[crash.Part]]]:
    """Give the gateway's port and both processes, as soon as webhooks are taken."""
    port, config, key = process.free_port(), folder / "concierge.toml", folder / "key"
    key.write_text(verdict.KEY)
    text = CONFIG.format(url=url, port=port, key=key)
    config.write_text(text + "".join(SERVICE.format(name=name) for name in services))
    parts = [
        crash.Part(f"concierge_{name}", config, folder / name, "tests.loop.remembering")
        for name in ("gateway", "scheduler")
    ]
    async with crash.running(*parts):
        await verdict.ready(port)
        yield port, parts


async def told(link: bus.Bus, expected: int) -> list[messages.Event]:
    """Return the whole log once so many triggers are in it, and each of their commands has its answer."""
    events: list[messages.Event] = []
    open_commands: set[str] = set()
    triggers = 0
    async with asyncio.timeout(PATIENCE):
        async for delivery in link.history("EVENTS", "concierge.v1.event.>", follow=True):
            event = journal.read(delivery)
            assert event
            events.append(event)
            if isinstance(event, messages.Trigger):
                triggers += 1
                open_commands |= set(event.commands)
            elif isinstance(event, messages.Decision):
                open_commands -= {event.command_id} if event.verdict != "wait" else set()
            if triggers == expected and not open_commands:
                return events
    raise AssertionError


@pytest.mark.timeout(300)
async def test_ten_thousand_triggers(link: bus.Bus, nats_url: str, tmp_path: Path) -> None:
    loud, *quiet = names()
    async with house(nats_url, tmp_path, names()) as (port, parts):
        async with asyncio.TaskGroup() as group:
            heard = group.create_task(told(link, EACH * (SERVICES - 1) + LOUD))
            group.create_task(cry(port, [loud], LOUD))
            for lane in range(LANES):
                group.create_task(cry(port, quiet[lane::LANES], EACH))
        memory = [part.memory for part in parts]
    assert max(memory) < MEMORY, memory
    in_order(heard.result())
    nobody_starves(heard.result(), quiet)


async def test_a_thousand_webhooks_for_one_problem(link: bus.Bus, nats_url: str, tmp_path: Path) -> None:
    one = Cry("web", 1, "problem")
    async with house(nats_url, tmp_path, ["web"]) as (port, _), contextlib.AsyncExitStack() as stack:
        lanes = [Lane(port) for _ in range(1000)]
        for lane in lanes:
            await stack.enter_async_context(lane.open())
        await asyncio.gather(*(lane.send(one) for lane in lanes))
        await verdict.settled(link, "web")
        events = await told(link, 1)
        outcomes = await outcomes_of(link, "web")
    assert len([event for event in events if isinstance(event, messages.Trigger)]) == 1
    assert outcomes == [("converged", 0, 1)]


async def outcomes_of(link: bus.Bus, service: str) -> list[tuple[str, int, int]]:
    found = [one async for one in link.history("EVENTS", f"concierge.v1.event.{service}.outcome")]
    told = [one.read(messages.Outcome) for one in found]
    return [(one.result, one.before, one.after) for one in told]


def in_order(events: list[messages.Event]) -> None:
    """Each service's commands are answered in the order in which its triggers came."""
    asked: defaultdict[str, list[str]] = defaultdict(list)
    answered: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for event in events:
        if isinstance(event, messages.Trigger):
            asked[event.service] += event.commands
        elif isinstance(event, messages.Decision):
            answered[event.service].setdefault(event.command_id)
    assert {service: list(each) for service, each in answered.items()} == asked


def nobody_starves(events: list[messages.Event], quiet: list[str]) -> None:
    """All have begun before half is done, and everybody's last problem, which is still open, was served."""
    decisions = [event for event in events if isinstance(event, messages.Decision)]
    first: dict[str, int] = {}
    for place, decision in enumerate(decisions):
        first.setdefault(decision.service, place)
    assert max(first.values()) < len(decisions) / 2
    served = {event.service for event in decisions if event.verdict == "act"}
    assert served >= set(quiet)
