"""The peers ``zabbix`` (7.0) and ``zabbix60``: server, front end and database, all private to the run."""

import dataclasses
import os
import shlex
import signal
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from . import frontend, house, install, postgres, process

SCRIPTS = "usr/share/zabbix-server-pgsql"
USER, PASSWORD = "Admin", "zabbix"  # what every new Zabbix has
SETTINGS = {
    "AllowRoot": 1,
    "CacheUpdateFrequency": 1,  # else the first value of a new item waits for up to a minute
    "StartTrappers": 5,
    "StartPingers": 0,
    "StartDiscoverers": 0,
    "CacheSize": "128M",
    "HistoryCacheSize": "64M",
    "ValueCacheSize": "64M",
    "TrendCacheSize": "64M",  # an item deleted keeps its place until the hour ends; when it is full, 7.0 ends itself
    "LogSlowQueries": 0,
}


@dataclasses.dataclass
class Server:
    """A running server with its front end and its database."""

    root: install.Root
    room: Path
    stack: AsyncExitStack
    cluster: postgres.Cluster
    port: int
    settings: Mapping[str, object]
    address: str = ""
    daemon: process.Child | None = None

    async def serve(self) -> None:
        """Start the server; containers reach its trapper port at any address of the host."""
        daemon = await self.launch()
        await process.until(lambda: process.answers(self.port), daemon, seconds=60)

    async def launch(self) -> process.Child:
        """Start the process alone: the standby node of a cluster listens only once it is active."""
        own = {
            "ListenPort": self.port,
            "DBHost": self.cluster.folder,
            "DBName": "zabbix",
            "DBUser": "postgres",
            "LogFile": self.room / "zabbix_server.log",
            "PidFile": self.room / "zabbix_server.pid",
            "SocketDir": self.room,
        }
        configuration = self.room / "zabbix_server.conf"
        lines = (SETTINGS | own | dict(self.settings)).items()
        configuration.write_text("".join(f"{key}={value}\n" for key, value in lines))
        program = self.root.program("zabbix_server")
        self.daemon = await process.start(
            self.stack,
            (*process.NAMESPACE, program, "--foreground", "--config", configuration),
            self.room / "zabbix_server.log",
            env=self.root.environment,
            ending=signal.SIGKILL,
        )
        return self.daemon

    def beside(self, name: str) -> "Server":
        """A further node of the cluster, with the same database; not started."""
        room = self.room / name
        room.mkdir()
        settings = {**self.settings, "HANodeName": name}
        return dataclasses.replace(
            self, room=room, port=process.free_port(), settings=settings, address="", daemon=None
        )

    async def kill(self) -> None:
        """As by kill -9: what the server had not stored is lost."""
        if self.daemon:
            await self.daemon.stop()


async def start(
    at: house.House,
    bundle: install.Bundle,
    room: Path,
    stack: AsyncExitStack,
    settings: Mapping[str, object] | None = None,
) -> Server:
    """Start one in a folder of its own; `settings` are further lines of its configuration."""
    if at.obstacle:
        raise process.Unavailable(at.obstacle)
    root = await install.provide(at, bundle)
    cluster = await postgres.start(root, room, stack, template=await template(at, bundle))
    # Without statistics the first host that registers is linked to its templates in a minute, not in 0.1 s.
    await cluster.sql("analyze", "zabbix")
    server = Server(root, room, stack, cluster, process.free_port(), settings or {})
    front = frontend.start(root, room, stack, cluster, server.port)
    server.address, _ = await process.together(front, server.serve())
    return server


def peer(
    bundle: install.Bundle, prefix: str
) -> Callable[[house.House, Path, AsyncExitStack], Awaitable[dict[str, str]]]:
    """The start function of one version; its variables begin with ``prefix``."""

    async def begin(at: house.House, room: Path, stack: AsyncExitStack) -> dict[str, str]:
        server = await start(at, bundle, room, stack)
        version = str(await frontend.call(server.address, "apiinfo.version", []))
        return {
            "version": version,
            f"{prefix}_VERSION": version,
            f"{prefix}_API": server.address,
            f"{prefix}_TRAPPER": f"127.0.0.1:{server.port}",
            f"{prefix}_USER": USER,
            f"{prefix}_PASSWORD": PASSWORD,
            f"{prefix}_LOG": str(room / "zabbix_server.log"),
            f"{prefix}_JS": str(await runnable(at, server.root, "zabbix_js")),
            f"{prefix}_SENDER": str(await runnable(at, server.root, "zabbix_sender")),
        }

    return begin


async def template(at: house.House, bundle: install.Bundle) -> Path:
    """The database of a newly installed server, in the cache."""
    root = await install.provide(at, bundle)
    return await postgres.template(at, bundle.name, filler(root))


def filler(root: install.Root) -> Callable[[Path, AsyncExitStack], Awaitable[None]]:
    """What makes the database of a newly installed Zabbix, about 5 s."""

    async def fill(room: Path, stack: AsyncExitStack) -> None:
        cluster = await postgres.start(root, room, stack, template=None, ending=signal.SIGINT)
        await cluster.sql("create database zabbix")
        for name in ("schema", "images", "data"):
            await cluster.load(root.path / SCRIPTS / f"{name}.sql.gz", "zabbix")
        # The host "Zabbix server" would alarm after three minutes, since no agent runs here.
        await cluster.sql("update hosts set status = 1 where host = 'Zabbix server'", "zabbix")

    return fill


async def runnable(at: house.House, root: install.Root, name: str) -> Path:
    """A program that runs without our environment: itself, or a script beside it that sets the environment."""
    program = root.program(name)
    if await install.linked(program, at.environment):
        return program
    libraries = shlex.quote(root.environment["LD_LIBRARY_PATH"])
    script = root.path / name
    fresh = script.with_suffix(f".{os.getpid()}")
    fresh.write_text(f'#!/bin/sh\nLD_LIBRARY_PATH={libraries} exec {shlex.quote(str(program))} "$@"\n')
    fresh.chmod(0o755)
    fresh.replace(script)
    return script


start70 = peer(install.ZABBIX, "PEER_ZABBIX")
start60 = peer(install.ZABBIX60, "PEER_ZABBIX60")
