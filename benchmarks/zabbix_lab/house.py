"""`concierge up` as a user runs it, with a compose project, a Zabbix set up by `concierge zabbix apply`, and one voice."""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.zabbix_lab import values
from concierge_cli import nats
from concierge_proto import bus, messages, settings, subjects
from tests import command, shop

SERVICE, INSTANCE = "bench", "voice"
HOST = f"service {SERVICE}"
"""In Zabbix."""
HIGH, RECOVERED, LOW, BUSY = 0.8, 0.7, 0.3, 0.35
RUSH, CALM, QUIET = 0.95, 0.5, 0.1
"""Loads: too much for one, fine, too little for two."""
EVERY = 1.0
"""Seconds from one snapshot to the next while nothing changes."""
CONFIG = """\
[nats]
url = "{nats}"
[monitoring]
backends = ["zabbix"]
[monitoring.zabbix]
servers = ["{trapper}"]
api_url = "{api}"
api_token_file = "{token}"
[gateway]
listen = "{gateway}"
[gateway.sources.zabbix]
kind = "zabbix"
secret_file = "{secret}"
[targets.bench]
kind = "compose"
host = "{engine}"
project = "{project}"
files = ["{file}"]
[services.bench]
target = "bench"
name = "web"
max = 2
heard = false
cooldown_out = "0s"
cooldown_in = "0s"
settle = "100ms"
[[services.bench.triggers]]
name = "High load"
metric = "gauge[load,value]"
above = {high}
recovers = {recovered}
action = "scale_out 1"
[[services.bench.triggers]]
name = "Low load"
metric = "gauge[load,value]"
below = {low}
recovers = {busy}
action = "scale_in 1"
"""


class Voice:
    """An instance that says a load again and again, as a courier would."""

    def __init__(self, link: bus.Bus) -> None:
        self._link = link
        self._seq = 0
        self._load = CALM

    async def say(self, load: float) -> int:
        """Publish a load at once; return when, in ns."""
        self._seq += 1
        self._load = load
        block = messages.Block(kind="gauge", fields=("value",), names=("load",), values=(load,))
        snapshot = messages.Snapshot(
            service=SERVICE,
            instance=INSTANCE,
            time_ns=time.time_ns(),
            seq=self._seq,
            boot=values.BOOT,
            interval_s=EVERY,
            blocks=(block,),
        )
        await self._link.publish(self._link.pack(subjects.snapshot(SERVICE, INSTANCE), snapshot))
        return snapshot.time_ns

    async def run(self) -> None:
        """Repeat it until cancelled."""
        while True:
            await self.say(self._load)
            await asyncio.sleep(EVERY)


class House(NamedTuple):
    """It runs, and Zabbix knows of it."""

    voice: Voice
    outcomes: AsyncIterator[messages.Outcome]


@contextlib.asynccontextmanager
async def opened(
    room: Path, server: shop.Zabbix, target: settings.Target, clients: Path
) -> AsyncIterator[House]:
    """Run `concierge up` in `room`; `clients` is the folder with the docker client that it shall find."""
    room.mkdir()
    file = room / "concierge.toml"
    async with contextlib.AsyncExitStack() as stack:
        url = await stack.enter_async_context(nats.server(room / "nats", room / "run"))
        link = await stack.enter_async_context(bus.connect(settings.Nats(url=url), "bench"))
        await bus.provision(link)
        gateway = f"127.0.0.1:{_free()}"
        file.write_text(_config(server, target, nats=url, gateway=gateway, room=room))
        path = f"{clients}:{os.environ['PATH']}"
        concierge = command.Concierge(file, f"http://{gateway}", PATH=path, ZABBIX_PASSWORD=server.password)
        await concierge.run("zabbix", "apply", "--user", server.user)
        heard = await stack.enter_async_context(link.listening(subjects.event(SERVICE, "outcome")))
        await stack.enter_async_context(concierge.up())
        voice = Voice(link)
        speaking = asyncio.create_task(voice.run())
        stack.callback(speaking.cancel)
        yield House(voice, (delivery.read(messages.Outcome) async for delivery in heard))


def _config(server: shop.Zabbix, target: settings.Target, *, room: Path, **addresses: str) -> str:
    secret = room / "secret"
    secret.write_text(os.urandom(16).hex())
    own = {"secret": secret, "token": room / "token"}
    project = {"engine": target.host, "project": target.project}
    project["file"] = str(Path(target.project_directory) / target.files[0])
    limits = {"high": HIGH, "recovered": RECOVERED, "low": LOW, "busy": BUSY}
    return CONFIG.format(**server._asdict(), **project, **limits, **own, **addresses)


def _free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port
