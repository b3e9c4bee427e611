"""Gateway, scheduler and NATS as processes that are started again whenever they were killed."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from concierge_cli import nats
from concierge_proto import bus, settings
from tests.loop import verdict
from tests.peers import process

ROOT = Path(__file__).parents[2]
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


def written(path: Path, url: str, port: int, places: Mapping[str, str], services: Mapping[str, str]) -> Path:
    """Write a configuration: `places` are targets with their lines, `services` are services with their target."""
    key = path.with_suffix(".key")
    key.write_text(verdict.KEY)
    text = _CONFIG.format(url=url, port=port, key=key)
    text += "".join(f"[targets.{name}]\n{lines}\n" for name, lines in places.items())
    for service, target in services.items():
        text += _SERVICE.format(service=service, target=target)
        text += _STARTED if "process" in places[target] else ""
    path.write_text(text)
    return path


class Part:
    """One process with fault points; its supervisor starts it again at once."""

    def __init__(self, module: str, config: Path, folder: Path, launcher: str = "tests.loop.fault") -> None:
        self._module = module
        self._launcher = launcher
        self._pid = 0
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
        command = (sys.executable, "-m", self._launcher, self._module, "--config", str(self._config))
        environ = {**os.environ, "FAULT": str(self._folder)}
        while True:
            with (self._folder / "log").open("ab") as log:
                child = await asyncio.create_subprocess_exec(
                    *command, env=environ, cwd=ROOT, stdout=log, stderr=log, stdin=asyncio.subprocess.DEVNULL
                )
            self._pid = child.pid
            try:
                code = await child.wait()
            finally:
                with contextlib.suppress(ProcessLookupError):
                    child.kill()
                await child.wait()
            assert code == -signal.SIGKILL, f"{self._module} ended with {code}: {self.said}"
            self._deaths += 1

    async def holds(self) -> None:
        """Return once a scheduler has told that it holds its lease."""
        async with asyncio.timeout(verdict.PATIENCE):
            while not any("control" in line for line in self.passed):
                await asyncio.sleep(0.05)

    async def stops(self) -> None:
        """Return once it is stopped by its rule."""
        async with asyncio.timeout(verdict.PATIENCE):
            while not self._pid or "\nState:\tT" not in self._status:
                await asyncio.sleep(0.05)

    def go_on(self) -> None:
        os.kill(self._pid, signal.SIGCONT)

    async def says(self, text: str) -> None:
        """Return once its log holds this."""
        async with asyncio.timeout(verdict.PATIENCE):
            while text not in self.log:
                await asyncio.sleep(0.1)

    @property
    def _status(self) -> str:
        return Path(f"/proc/{self._pid}/status").read_text()

    @property
    def memory(self) -> int:
        """Megabytes that it has taken at its most."""
        found = self._status.partition("VmHWM:")[2]
        return int(found.split()[0]) // 1024

    @property
    def log(self) -> str:
        return (self._folder / "log").read_text(errors="replace")

    @property
    def said(self) -> str:
        """The last that it said."""
        return self.log[-3000:]


class Server:
    """A nats-server that is started again on its port, with what it has stored."""

    def __init__(self, folder: Path, away: float = 0.0) -> None:
        """`away`: seconds between a death and the next life."""
        self._folder = folder
        self._away = away
        self._port = process.free_port()
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
            await asyncio.sleep(self._away)

    async def up(self) -> None:
        """Return once it runs for the first time."""
        async with asyncio.timeout(verdict.PATIENCE):
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
        await verdict.patiently(lambda: bus.provision(link))
        yield link
