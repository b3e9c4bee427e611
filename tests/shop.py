"""The scene that users run, compose/shop, as a project of a test's own on a real engine, decided by a real Zabbix."""

import contextlib
import json
import os
import secrets
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

from tests import command, containers, image, peer

SCENE = Path(__file__).parents[1] / "compose" / "shop"
WITHOUT = shutil.ignore_patterns("secrets", ".env")


class Zabbix(NamedTuple):
    """One of the peers' servers."""

    api: str
    trapper: str
    user: str
    password: str


def zabbix(name: str) -> Zabbix:
    """Return the server of the peer `zabbix` or `zabbix60`, or skip."""
    peer.need(name)
    return Zabbix(
        *(os.environ[f"PEER_{name.upper()}_{part}"] for part in ("API", "TRAPPER", "USER", "PASSWORD"))
    )


class Shop(NamedTuple):
    """The folder, and `concierge` in it."""

    folder: Path
    project: str
    service: str
    concierge: command.Concierge

    def load(self, offered: float) -> None:
        """Send so many shops' worth of customers."""
        (self.folder / "load").write_text(f"{offered}\n")

    async def running(self) -> int:
        """Return how many containers of `web` `docker ps` shows."""
        mine = ("label=com.docker.compose.service=web", f"label=com.docker.compose.project={self.project}")
        found = await containers.docker(
            "ps", "--quiet", *(word for one in mine for word in ("--filter", one))
        )
        return len(found.split())

    @contextlib.asynccontextmanager
    async def up(self) -> AsyncIterator[None]:
        """Run the project and `concierge up` while the context is open."""
        words = ("compose", "--file", str(self.folder / "compose.yaml"))
        try:
            await containers.docker(*words, "up", "--detach")
            async with self.concierge.up():
                yield
        finally:
            await containers.docker(*words, "down", "--timeout", "3")


def prepared(folder: Path, server: Zabbix, service: str) -> Shop:
    """Lay the scene out in `folder`: what an administrator would fill in, in `.env` and in the environment."""
    shutil.copytree(SCENE, folder, dirs_exist_ok=True, ignore=WITHOUT)
    _rename(folder, service)
    (folder / "secrets").mkdir(mode=0o700)
    for name in ("webhook", "ping"):
        (folder / "secrets" / name).write_text(secrets.token_hex(16))
    engine, base, outside = peer.need("docker"), peer.need("image"), os.environ["PEER_DOCKER_GATEWAY"]
    gateway, nats = f"127.0.0.1:{_free()}", _free()
    project = f"shop{secrets.token_hex(3)}"
    inner = {"SHOP_IMAGE": image.courier_image(engine, base), "INTERVAL": "500ms"}
    inner |= {"COMPOSE_PROJECT_NAME": project, "NATS_URL": f"nats://{outside}:{nats}"}
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in inner.items()))
    own = {
        "NATS__LISTEN": outside,
        "NATS__PORT": str(nats),
        "MONITORING__BACKENDS": '["zabbix"]',
        "MONITORING__ZABBIX__SERVERS": json.dumps([server.trapper]),
        "MONITORING__ZABBIX__API_URL": server.api,
        "MONITORING__ZABBIX__API_TOKEN_FILE": "secrets/zabbix-token",
        "MONITORING__ZABBIX__KEEPER_TOKEN_FILE": "secrets/keeper-token",
        "GATEWAY__LISTEN": gateway,
        "GATEWAY__PING_TOKEN_FILE": "secrets/ping",
        "TARGETS__SHOP__HOST": engine,
        "TARGETS__SHOP__PROJECT": project,
    }
    variables = {f"CONCIERGE_{name}": value for name, value in own.items()}
    variables["ZABBIX_PASSWORD"] = server.password
    concierge = command.Concierge(folder / "concierge.toml", f"http://{gateway}", **variables)
    return Shop(folder, project, service, concierge)


def _rename(folder: Path, service: str) -> None:
    """Give the service a name that nobody else has on a shared server; Docker goes on calling it web."""
    for name, before, after in (
        ("concierge.toml", "[services.web]\n", f'[services.{service}]\nname = "web"\n'),
        ("concierge.toml", "[[services.web.", f"[[services.{service}."),
        ("compose.yaml", "CONCIERGE_SERVICE: web\n", f"CONCIERGE_SERVICE: {service}\n"),
    ):
        text = (folder / name).read_text()
        assert before in text, f"compose/shop/{name} has no {before!r} any more"
        (folder / name).write_text(text.replace(before, after))


def _free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port
