"""The sender that never gives up, and the judge of what came of it."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec
from nats.js import api

from concierge_proto import bus, errors, identity, messages, signature
from concierge_proto.bus import journal, standing
from tests.loop import paper

T = TypeVar("T")

PATIENCE = 150.0
KEY = "the-key-of-the-crash-tests"
"""With which the webhooks are signed."""
_LOOK = 0.25


class _Document(msgspec.Struct):
    """What is looked at of a service's document."""

    steps: list[dict[str, Any]] = []
    unsaid: list[dict[str, Any]] = []
    running: dict[str, Any] | None = None


async def ready(port: int) -> None:
    """Return once the gateway takes webhooks."""
    async with asyncio.timeout(PATIENCE), httpx.AsyncClient() as http:
        while True:
            with contextlib.suppress(httpx.TransportError):
                if (await http.get(f"http://127.0.0.1:{port}/readyz")).status_code == httpx.codes.OK:
                    return
            await asyncio.sleep(0.05)


async def send(port: int, service: str, event: int) -> dict[str, Any]:
    """Post a problem as Zabbix does: the same bytes again until they are taken."""
    body = msgspec.json.encode(
        {
            "event_id": str(event),
            "event_value": "1",
            "event_name": "High load",
            "event_severity": "4",
            "host": f"service {service}",
            "subject": "scale_out 1",
            "action_id": "7",
            "sent": "2026.11.22 10:00:00",
        }
    )
    async with asyncio.timeout(PATIENCE), httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        while True:
            signed = signature.headers(KEY.encode(), f"m-{event}", int(time.time()), body)
            with contextlib.suppress(httpx.TransportError):
                answer = await http.post(
                    "/webhooks/zabbix",
                    content=body,
                    headers={"content-type": "application/json", **signed},
                    timeout=10,
                )
                if answer.status_code == httpx.codes.ACCEPTED:
                    return dict(answer.json())
                assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE, answer.text
            await asyncio.sleep(0.2)


async def settled(link: bus.Bus, service: str, steps: int = 1) -> None:
    """Return when so many steps are done, all is told, and no command is left."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with contextlib.suppress(errors.Temporary, TimeoutError):
                found = msgspec.convert(await standing.document(link, service), _Document)
                over = len(found.steps) >= steps and not (found.unsaid or found.running)
                if over and not await _queued(link, service):
                    return
            await asyncio.sleep(_LOOK)


async def attended(link: bus.Bus, services: Collection[str]) -> None:
    """Return once a scheduler has looked at these: what it stores from then on is about a command."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with contextlib.suppress(errors.Temporary):
                if all([await standing.document(link, service) for service in services]):
                    return
            await asyncio.sleep(_LOOK)


async def _queued(link: bus.Bus, service: str) -> int:
    info = await link._js.stream_info("COMMANDS", subjects_filter=f"concierge.v1.command.*.{service}")
    assert isinstance(info.state, api.StreamState)
    return sum((info.state.subjects or {}).values())


async def patiently(work: Callable[[], Awaitable[T]]) -> T:
    """Return what it returns, as soon as NATS is there: it may be busy coming back."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with contextlib.suppress(errors.Temporary):
                return await work()
            await asyncio.sleep(_LOOK)


async def _log(link: bus.Bus, service: str) -> list[bus.Delivery]:
    return [one async for one in link.history("EVENTS", f"concierge.v1.event.{service}.>")]


async def judge(link: bus.Bus, service: str, event: int) -> None:
    """Hold the log to the promise: one problem, one step from 1 to 2, its whole story told once."""
    told = await patiently(lambda: _log(link, service))
    doubles = Counter(one.envelope.id for one in told)
    assert set(doubles.values()) == {1}, doubles
    correlation = identity.derive("incident", "zabbix", str(event))
    assert {journal.correlation(one) for one in told} == {correlation}, told
    events = [(one, journal.read(one)) for one in told]
    ((_, trigger),) = [pair for pair in events if isinstance(pair[1], messages.Trigger)]
    assert isinstance(trigger, messages.Trigger)
    assert trigger.verdict == "command"
    decisions = [(one, found) for one, found in events if isinstance(found, messages.Decision)]
    ((acted, act),) = [pair for pair in decisions if pair[1].verdict == "act"]
    assert (act.before, act.wanted, act.command_id) == (1, 2, trigger.commands[0])
    assert acted.envelope.causation_id == act.command_id
    others = {(one.verdict, one.reason) for _, one in decisions if one is not act}
    assert others <= {("nothing", "already_applied")}, others
    ((ended, outcome),) = [(one, found) for one, found in events if isinstance(found, messages.Outcome)]
    assert (outcome.result, outcome.before, outcome.wanted, outcome.after) == ("converged", 1, 2, 2)
    assert (outcome.command_id, ended.envelope.causation_id) == (act.command_id, act.id)


async def prove(link: bus.Bus, folder: Path, service: str, event: int) -> None:
    """Judge the log and the endpoint: it may be called again, with the same number for the same reason."""
    await settled(link, service)
    await judge(link, service, event)
    calls = paper.calls(folder, service)
    assert len(set(calls)) == 2, calls
    assert calls[-1][1] == 2
