"""`concierge init`: a commented configuration for what is here."""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from concierge_cli import output
from concierge_proto import errors, subjects

COMPOSE_FILES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What is here."""

    compose: str = ""
    """The compose file; empty: none."""
    project: str = ""
    services: tuple[str, ...] = ()
    zabbix: str = ""
    """Address of a Zabbix server's trapper port; empty: none."""


def init(
    path: Annotated[Path, typer.Argument(help="Where to write it.")] = Path("concierge.toml"),
    zabbix: Annotated[str, typer.Option(help="Front end of your Zabbix, e.g. https://zabbix.example/")] = "",
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is there.")] = False,
    json: output.Json = False,
) -> None:
    """Write a commented configuration for what is found here: a compose project, a Zabbix.

    It also makes the webhook's secret, in a file that only you can read. Nothing is started.
    """
    if path.exists() and not force:
        raise errors.Permanent(f"{path} exists: edit it, or say --force to write it anew")
    found = look(path.resolve().parent, zabbix)
    secret = path.resolve().parent / "concierge-secrets" / "webhook"
    make_secret(secret)
    path.write_text(text(found, zabbix, secret), "utf-8")
    if json:
        output.emit({"config": str(path), "secret_file": str(secret), "found": found})
        return
    tell(found, zabbix, path, secret)


def tell(found: Found, zabbix: str, path: Path, secret: Path) -> None:
    names = ", ".join(found.services)
    output.console.print(
        f"compose: {found.compose}, services: {names}" if found.compose else "compose: no file here"
    )
    output.console.print(f"zabbix: {zabbix or found.zabbix or 'none found; the embedded monitoring decides'}")
    output.console.print(f"wrote {path} and {secret}")
    output.console.print("next: read it, then `concierge config check` and `concierge up`")


def look(folder: Path, zabbix: str) -> Found:
    """Return what is in a folder and on this machine; asks Docker only to read the compose file."""
    file = next((name for name in COMPOSE_FILES if (folder / name).exists()), "")
    return Found(
        compose=file,
        project=slug(os.environ.get("COMPOSE_PROJECT_NAME") or folder.name),
        services=tuple(compose_services(folder / file)) if file else (),
        zabbix="" if zabbix else _local_zabbix(),
    )


def compose_services(file: Path) -> list[str]:
    """Return the services of a compose file: by compose itself, else by its indentation."""
    if shutil.which("docker"):
        argv = ["docker", "compose", "--file", str(file), "config", "--services"]
        done = subprocess.run(
            argv, capture_output=True, text=True, check=False, timeout=20, stdin=subprocess.DEVNULL
        )
        if done.returncode == 0:
            return sorted(done.stdout.split())
    return scan_services(file.read_text("utf-8"))


def scan_services(document: str) -> list[str]:
    """Return the keys one step below `services:`."""
    lines = [line for line in document.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    start = next((number for number, line in enumerate(lines) if line.startswith("services:")), len(lines))
    found: list[str] = []
    step = 0
    for line in lines[start + 1 :]:
        indent = len(line) - len(line.lstrip())
        if not indent:
            break
        step = step or indent
        if indent == step:
            found.append(line.strip().split(":")[0].strip("'\""))
    return found


def slug(name: str) -> str:
    """Make a name of a folder as compose does: lower case, without odd signs."""
    return "".join(sign for sign in name.lower() if sign.isalnum() or sign in "-_").lstrip("-_") or "app"


def make_secret(path: Path) -> None:
    """Write a new secret for us alone; one that is there stays."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if path.exists():
        return
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(32) + "\n")


def _local_zabbix() -> str:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", 10051), timeout=0.3):
        return "127.0.0.1:10051"
    return ""


def text(found: Found, zabbix: str, secret: Path) -> str:
    """Return the file, commented, with what was found filled in."""
    backend = "zabbix" if zabbix or found.zabbix else "embedded"
    parts = [_HEAD.format(backend=backend), _zabbix(found, zabbix, backend)]
    parts.append(_GATEWAY.format(comment="" if backend == "zabbix" else "# ", secret=secret))
    parts.append(_target(found))
    names = [name for name in found.services if usable(name)] or ["web"]
    parts += [_SERVICE.format(name=name, target=slug_target(found)) for name in names]
    return "\n".join(parts)


def usable(name: str) -> bool:
    with contextlib.suppress(errors.Malformed):
        return bool(subjects.name(name))
    return False


def slug_target(found: Found) -> str:
    return found.project.replace("_", "-").strip("-") if found.compose else "local"


def _zabbix(found: Found, zabbix: str, backend: str) -> str:
    host = zabbix.rsplit("//", maxsplit=1)[-1].split("/", maxsplit=1)[0].split(":", maxsplit=1)[0]
    server = f"{host}:10051" if zabbix else found.zabbix or "zabbix.example:10051"
    return _ZABBIX.format(
        comment="" if backend == "zabbix" else "# ",
        server=server,
        url=zabbix or "https://zabbix.example/",
    )


def _target(found: Found) -> str:
    if found.compose:
        return _COMPOSE.format(target=slug_target(found), project=found.project, file=found.compose)
    return _NO_COMPOSE


_HEAD = """\
# Concierge: the monitoring system you run decides, Concierge scales. Every setting: docs/configuration.md
# Environment variables override: CONCIERGE_NATS__URL=nats://... `concierge config check` reads it all.

[nats]
# url = "nats://127.0.0.1:4222"      # leave out, and `concierge up` runs a server of its own
# listen = "172.17.0.1"              # where that one listens; containers reach the host on Docker's bridge

[monitoring]
backends = ["{backend}"]            # embedded, zabbix, prometheus: this line changes who decides
"""

_ZABBIX = """\
{comment}[monitoring.zabbix]
{comment}servers = ["{server}"]
{comment}api_url = "{url}"
# api_token_file = "/run/secrets/zabbix-token"   # lets Concierge see open problems; without it webhooks alone
"""

_GATEWAY = """\
[gateway]
listen = "127.0.0.1:8080"            # the monitoring system must reach this
# public_url = "http://concierge.example:8080"
{comment}[gateway.sources.zabbix]             # POST /webhooks/zabbix, signed with this secret
{comment}kind = "zabbix"
{comment}secret_file = "{secret}"
"""

_COMPOSE = """\
[targets.{target}]
kind = "compose"
project = "{project}"
files = ["{file}"]
"""

_NO_COMPOSE = """\
[targets.local]                      # no compose file was found; a target is compose, swarm or process
kind = "compose"
project = "shop"
files = ["compose.yaml"]
"""

_SERVICE = """\
[services.{name}]
target = "{target}"
min = 1
max = 1                              # raise it to let Concierge scale this service
cooldown_out = "30s"                 # after adding, add no more for this long
cooldown_in = "5m"                   # after removing, remove no more for this long
heard = false                        # true once a courier runs in its containers
dry_run = true                       # decide and say so, but touch nothing; remove it when you trust it

# A trigger that Concierge sets up in your monitoring system (`concierge zabbix apply`, `concierge prometheus rules`):
# [[services.{name}.triggers]]
# name = "High load"
# metric = "gauge[load,value]"       # average over the instances
# above = 0.8
# recovers = 0.6
# for = "1m"
# action = "scale_out 1"

# Or a rule for a trigger of your own:
# [[services.{name}.rules]]
# trigger = "High CPU*"
# action = "scale_out 1"
"""
