"""What stands outside the container: NATS, the forwarder, and the files that both ways of delivery need."""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from concierge_cli import nats
from concierge_proto import bus, settings

SERVICE = "lab"
CONFIG = """\
[nats]
url = "{url}"
[monitoring]
backends = ["zabbix"]
[monitoring.zabbix]
servers = ["{trapper}"]
api_url = "{api}"
[forwarder]
listen = "127.0.0.1:{port}"
[targets.lab]
kind = "compose"
project = "lab"
[services.lab]
target = "lab"
max = 1
"""


class House(NamedTuple):
    """It runs."""

    link: bus.Bus
    config: settings.Settings
    url: str
    """Of NATS, as containers reach it."""
    server: tuple[str, str]
    """Zabbix's address and port, as containers reach it."""
    folder: Path
    """At /lab in every container."""


@contextlib.asynccontextmanager
async def opened(room: Path) -> AsyncIterator[House]:
    """Run NATS; the forwarder is for `forwarding`."""
    outside = os.environ["PEER_DOCKER_GATEWAY"]
    folder = room / "lab"
    folder.mkdir()
    async with nats.server(room / "nats", room / "run", listen="0.0.0.0") as url:  # noqa: S104 - containers come in
        inner = f"nats://127.0.0.1:{urlsplit(url).port}"
        file = room / "concierge.toml"
        trapper, api = os.environ["PEER_ZABBIX_TRAPPER"], os.environ["PEER_ZABBIX_API"]
        file.write_text(CONFIG.format(url=inner, trapper=trapper, api=api, port=_free()))
        async with bus.connect(settings.Nats(url=inner), "bench") as link:
            await bus.provision(link)
            reached = inner.replace("127.0.0.1", outside)
            server = (outside, trapper.rpartition(":")[2])
            yield House(link, settings.load(str(file)), reached, server, folder)


@contextlib.asynccontextmanager
async def forwarding(room: Path) -> AsyncIterator[None]:
    """Run the forwarder as a process of its own."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "concierge_backends", "--config", str(room / "concierge.toml")),
        stderr=(room / "forwarder.log").open("wb"),
    )
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(signal.SIGTERM)
        await child.wait()


async def sender(folder: Path) -> list[str]:
    """Copy zabbix_sender with its libraries; return the command that runs it in a container."""
    program = os.environ["PEER_ZABBIX_SENDER"]
    asked = await asyncio.create_subprocess_exec("ldd", program, stdout=asyncio.subprocess.PIPE)
    said, _ = await asked.communicate()
    libraries = re.findall(r"(/\S+) \(0x", said.decode())
    for path in (program, *libraries):
        shutil.copy(path, folder)
    loader = next(Path(path).name for path in libraries if "ld-linux" in path)
    return [f"/lab/{loader}", "--library-path", "/lab", f"/lab/{Path(program).name}"]


def _free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port
