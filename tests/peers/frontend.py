"""Zabbix's front end, which is its API, on PHP's own web server."""

import asyncio
import json
import os
import signal
import urllib.error
import urllib.request
from contextlib import AsyncExitStack
from pathlib import Path

from . import install, postgres, process

CONFIGURED = "/etc/zabbix/zabbix.conf.php"
SOURCE = "usr/share/zabbix/include/classes/core/CConfigFile.php"
EXTENSIONS = (
    *("bcmath", "ctype", "dom", "gd", "gettext", "mbstring", "pgsql", "posix", "simplexml", "sockets"),
    *("xml", "xmlreader", "xmlwriter"),
)
# The path of this file is a constant in the front end, so it holds nothing that differs between two runs.
CONFIGURATION = """<?php
$DB['TYPE'] = 'POSTGRESQL';
$DB['SERVER'] = getenv('PEER_DATABASE');
$DB['PORT'] = '0';
$DB['DATABASE'] = 'zabbix';
$DB['USER'] = 'postgres';
$DB['PASSWORD'] = '';
$DB['SCHEMA'] = '';
$DB['ENCRYPTION'] = false;
$DB['DOUBLE_IEEE754'] = true;
$ZBX_SERVER = '127.0.0.1';
$ZBX_SERVER_PORT = getenv('PEER_TRAPPER');
$ZBX_SERVER_NAME = 'Concierge peer';
$IMAGE_FORMAT_DEFAULT = IMAGE_FORMAT_PNG;
"""
# With a connection for each call PostgreSQL spent more on the API than PHP: a new process knows none of the tables.
PERSISTENT = """<?php
function pg_connect(string $where) { return pg_pconnect($where); }
"""


async def start(
    root: install.Root, room: Path, stack: AsyncExitStack, cluster: postgres.Cluster, trapper: int
) -> str:
    """Serve on a free port of the loopback; the address, without a path."""
    configure(root)
    (room / "php.ini").write_text(settings(root, room))
    (room / "persistent.php").write_text(PERSISTENT)
    port = process.free_port()
    environment = {
        "PHP_INI_SCAN_DIR": "",
        "PHP_CLI_SERVER_WORKERS": "4",
        "PEER_DATABASE": str(cluster.folder),
        "PEER_TRAPPER": str(trapper),
    }
    pages = root.path / "usr/share/zabbix"
    daemon = await process.start(
        stack,
        (
            *process.NAMESPACE,
            root.program("php8.2"),
            "-c",
            room / "php.ini",
            "-S",
            f"127.0.0.1:{port}",
            "-t",
            pages,
        ),
        room / "php.log",
        env=root.environment | environment,
        ending=signal.SIGKILL,
    )
    address = f"http://127.0.0.1:{port}"
    await process.until(lambda: ready(address), daemon)
    return address


def configure(root: install.Root) -> None:
    """Point the unpacked front end at a configuration beside it; done once a copy."""
    own = root.path / CONFIGURED.removeprefix("/")
    source = root.path / SOURCE
    text = source.read_text()
    if f"'{CONFIGURED}'" in text:
        source.write_text(text.replace(f"'{CONFIGURED}'", f"'{own}'"))
    if not own.exists() or own.read_text() != CONFIGURATION:
        fresh = own.with_suffix(f".{os.getpid()}")
        fresh.write_text(CONFIGURATION)
        fresh.replace(own)


def settings(root: install.Root, room: Path) -> str:
    folder = next(path.parent for path in root.path.glob("usr/lib/php/*/pgsql.so"))
    lines = {
        "extension_dir": f'"{folder}"',
        "zend_extension": "opcache",
        "opcache.enable_cli": "1",
        "session.save_path": f'"{room}"',
        "disable_functions": "pg_connect",
        "auto_prepend_file": f'"{room}/persistent.php"',
        "date.timezone": "UTC",
        "memory_limit": "512M",
        "post_max_size": "64M",
        "max_execution_time": "300",
        "max_input_time": "300",
        "display_errors": "0",
    }
    return "".join(f"{key}={value}\n" for key, value in lines.items()) + "".join(
        f"extension={name}\n" for name in EXTENSIONS
    )


async def ready(address: str) -> bool:
    try:
        await call(address, "user.login", {"username": "Admin", "password": "zabbix"})
    except (OSError, ValueError, KeyError):
        return False
    return True


async def call(address: str, method: str, parameters: object) -> object:
    """One call of the API without a token; KeyError if it answers with an error."""
    body = json.dumps({"jsonrpc": "2.0", "method": method, "params": parameters, "id": 1})
    return (await asyncio.to_thread(post, f"{address}/api_jsonrpc.php", body.encode()))["result"]


def post(url: str, body: bytes) -> dict[str, object]:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json-rpc"})  # noqa: S310 - our own
    with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
        answer: dict[str, object] = json.load(response)
    return answer
