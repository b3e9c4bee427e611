"""Gateway, scheduler and NATS as processes that are started again whenever they were killed, and who judges them."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import httpx
import msgspec
from nats.js import api

from concierge_cli import nats
from concierge_proto import bus, errors, identity, messages, settings, signature
from concierge_proto.bus import journal, standing

PATIENCE = 90.0
ROOT = Path(__file__).parents[2]
KEY = "the-key-of-the-crash-tests"
_LOOK = 0.25
_CONFIG = """
[nats]
url = "{url}"
[scheduler]
listen = ""
[gateway]
listen = "127.0.0.1:{port}"
[gateway.sources.zabbix]
kind = "zabbix"
secret_file = "{key}"
rate = 10000
"""
_SERVICE = """
[services.{service}]
target = "{target}"
max = 5
heard = false
settle = "50ms"
converge = "20s"
cooldown_out = "1s"
"""
_STARTED = 'process = { command = ["true"] }\n'


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        return int(opened.getsockname()[1])


def written(path: Path, url: str, port: int, places: Mapping[str, str], services: Mapping[str, str]) -> Path:
    """Write a configuration: `places` are targets with their lines, `services` are services with their target."""
    key = path.with_suffix(".key")
    key.write_text(KEY)
    text = _CONFIG.format(url=url, port=port, key=key)
    text += "".join(f"[targets.{name}]\n{lines}\n" for name, lines in places.items())
    for service, target in services.items():
        text += _SERVICE.format(service=service, target=target)
        text += _STARTED if "process" in places[target] else ""
    path.write_text(text)
    return path


class Part:
    """One process with fault points; its supervisor starts it again at once."""

    def __init__(self, module: str, config: Path, folder: Path) -> None:
        self._module = module
        self._config = config
        self._folder = folder
        self._deaths = 0
        folder.mkdir()

    def kill_at(self, rule: str) -> Self:
        """Lay down a rule of `fault`."""
        fresh = self._folder / "fresh"
        fresh.write_text(rule)
        fresh.replace(self._folder / "rule")
        return self

    @property
    def obeyed(self) -> bool:
        """True when the point of the rule was passed."""
        return not (self._folder / "rule").exists()

    @property
    def passed(self) -> list[str]:
        """Every point so far, and before whose death it was the last."""
        path = self._folder / "passed"
        return path.read_text().splitlines() if path.exists() else []

    async def run(self) -> None:
        """Run it until cancelled; fail when it ends in any other way than by SIGKILL."""
        command = (sys.executable, "-m", "tests.loop.fault", self._module, "--config", str(self._config))
        environ = {**os.environ, "FAULT": str(self._folder)}
        while True:
            with (self._folder / "log").open("ab") as log:
                child = await asyncio.create_subprocess_exec(
                    *command, env=environ, cwd=ROOT, stdout=log, stderr=log, stdin=asyncio.subprocess.DEVNULL
                )
            try:
                code = await child.wait()
            finally:
                with contextlib.suppress(ProcessLookupError):
                    child.kill()
                await child.wait()
            assert code == -signal.SIGKILL, f"{self._module} ended with {code}: {self.said}"
            self._deaths += 1

    @property
    def said(self) -> str:
        return (self._folder / "log").read_text(errors="replace")[-3000:]


class Server:
    """A nats-server that is started again on its port, with what it has stored."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self.url = f"nats://127.0.0.1:{self._port}"
        self.pid = 0
        self.lives = 0

    async def run(self) -> None:
        """Run it until cancelled."""
        while True:
            run = self._folder / f"run{self.lives}"
            async with nats.server(self._folder / "store", run, port=self._port):
                self.pid = int(next(run.glob("nats-server_*.ports")).stem.rpartition("_")[2])
                self.lives += 1
                while _lives(self.pid):
                    await asyncio.sleep(0.05)

    async def up(self) -> None:
        """Return once it runs for the first time."""
        async with asyncio.timeout(PATIENCE):
            while not self.lives:
                await asyncio.sleep(0.02)


def _lives(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


@contextlib.asynccontextmanager
async def running(*parts: Part | Server) -> AsyncIterator[None]:
    """Keep these alive while the context is open; says at the end of a failure what they said."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(part.run()) for part in parts]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
    except BaseException as error:
        for part in parts:
            if isinstance(part, Part):
                error.add_note(f"{part.passed[-40:]}\n{part.said}")
        raise


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


async def settled(link: bus.Bus, service: str) -> None:
    """Return when the step is done, all of it is told, and no command is left."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with contextlib.suppress(errors.Temporary, TimeoutError):
                found = await standing.document(link, service)
                over = found.get("steps") and not (found.get("unsaid") or found.get("running"))
                if over and not await _queued(link, service):
                    return
            await asyncio.sleep(_LOOK)


async def attended(link: bus.Bus, services: Iterable[str]) -> None:
    """Return once a scheduler has looked at these: what it stores from then on is about a command."""
    wanted = set(services)
    async with asyncio.timeout(PATIENCE):
        while True:
            with contextlib.suppress(errors.Temporary):
                if wanted <= set(await link.store("concierge_services").keys()):
                    return
            await asyncio.sleep(_LOOK)


async def _queued(link: bus.Bus, service: str) -> int:
    info = await link._js.stream_info("COMMANDS", subjects_filter=f"concierge.v1.command.*.{service}")
    assert isinstance(info.state, api.StreamState)
    return sum((info.state.subjects or {}).values())


async def judge(link: bus.Bus, service: str, event: int) -> None:
    """Hold the log to the promise: one problem, one step from 1 to 2, its whole story told once."""
    told = [one async for one in link.history("EVENTS", f"concierge.v1.event.{service}.>")]
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


async def together(work: Iterable[Coroutine[Any, Any, Part]]) -> list[Part]:
    """Return what all of these return; the first failure ends the others."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one) for one in work]
    return [task.result() for task in tasks]


def deaths(parts: Iterable[Part]) -> set[str]:
    """Return the points at which somebody was killed, without what differs from service to service."""
    lines = (line for part in parts for line in part.passed if line.startswith("killed "))
    return {_plain(line.removeprefix("killed ")) for line in lines}


def _plain(line: str) -> str:
    moment, _, name = line.partition(" ")
    kinds = {
        "$KV.concierge_seen.": "claim",
        "$KV.concierge_services.": "document",
        "concierge.v1.command.": "command",
    }
    for start, kind in kinds.items():
        if name.startswith(start):
            return f"{moment} {kind}"
    return f"{moment} {name.rpartition('.')[2]}"


@contextlib.asynccontextmanager
async def linked(url: str) -> AsyncIterator[bus.Bus]:
    async with bus.connect(settings.Nats(url=url), "test") as link:
        await bus.provision(link)
        yield link
