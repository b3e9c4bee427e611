"""The peers ``zabbix`` (7.0) and ``zabbix60``: server, front end and database, all private to the run."""

import os
import shlex
import signal
from collections.abc import Awaitable, Callable
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
    "LogSlowQueries": 0,
}


def peer(
    bundle: install.Bundle, prefix: str
) -> Callable[[house.House, Path, AsyncExitStack], Awaitable[dict[str, str]]]:
    """The start function of one version; its variables begin with ``prefix``."""

    async def start(at: house.House, room: Path, stack: AsyncExitStack) -> dict[str, str]:
        if at.obstacle:
            raise process.Unavailable(at.obstacle)
        root = await install.provide(at, bundle)
        cluster = await postgres.start(root, room, stack, template=await template(at, bundle))
        # Without statistics the first host that registers is linked to its templates in a minute, not in 0.1 s.
        await cluster.sql("analyze", "zabbix")
        trapper = process.free_port()
        address, _ = await process.together(
            frontend.start(root, room, stack, cluster, trapper), serve(root, room, stack, cluster, trapper)
        )
        version = str(await frontend.call(address, "apiinfo.version", []))
        return {
            "version": version,
            f"{prefix}_VERSION": version,
            f"{prefix}_API": address,
            f"{prefix}_TRAPPER": f"127.0.0.1:{trapper}",
            f"{prefix}_USER": USER,
            f"{prefix}_PASSWORD": PASSWORD,
            f"{prefix}_LOG": str(room / "zabbix_server.log"),
            f"{prefix}_JS": str(await runnable(at, root, "zabbix_js")),
            f"{prefix}_SENDER": str(await runnable(at, root, "zabbix_sender")),
        }

    return start


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


async def serve(
    root: install.Root, room: Path, stack: AsyncExitStack, cluster: postgres.Cluster, trapper: int
) -> None:
    """Start the server; containers reach its trapper port at any address of the host."""
    own = {
        "ListenPort": trapper,
        "DBHost": cluster.folder,
        "DBName": "zabbix",
        "DBUser": "postgres",
        "LogFile": room / "zabbix_server.log",
        "PidFile": room / "zabbix_server.pid",
        "SocketDir": room,
    }
    configuration = room / "zabbix_server.conf"
    configuration.write_text("".join(f"{key}={value}\n" for key, value in (SETTINGS | own).items()))
    daemon = await process.start(
        stack,
        (*process.NAMESPACE, root.program("zabbix_server"), "--foreground", "--config", configuration),
        room / "zabbix_server.log",
        env=root.environment,
        ending=signal.SIGKILL,
    )
    await process.until(lambda: process.answers(trapper), daemon, seconds=60)


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
