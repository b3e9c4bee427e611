"""A real Zabbix proxy takes our values, and hands them to its server."""

import contextlib
import os
import secrets
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from concierge_backends.zabbix import api, backend
from tests import peer
from tests.integration.zabbix import own
from tests.integration.zabbix.conftest import Until
from tests.integration.zabbix.test_delivery import stored
from tests.peers import install, place, process


@contextlib.asynccontextmanager
async def proxy(name: str, server: str, room: Path) -> AsyncIterator[str]:
    """Start one that fetches its configuration once a second; yield its address."""
    try:
        root = await install.provide(place.here(), install.PROXY)
    except process.Unavailable as problem:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"no zabbix_proxy: {problem}")
    port, file = process.free_port(), room / "proxy.conf"
    sockets = tempfile.TemporaryDirectory(prefix="proxy-")  # a socket's path has 107 bytes, a test's 80
    settings = {
        "AllowRoot": 1,
        "Server": server,
        "Hostname": name,
        "ListenPort": port,
        "ProxyConfigFrequency": 1,
        "DataSenderFrequency": 1,
        "DBName": room / "proxy.db",
        "LogFile": room / "proxy.log",
        "PidFile": room / "proxy.pid",
        "SocketDir": sockets.name,
    }
    file.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
    async with AsyncExitStack() as stack:
        stack.enter_context(sockets)
        daemon = await process.start(
            stack,
            (*process.NAMESPACE, root.program("zabbix_proxy"), "--foreground", "--config", file),
            room / "proxy.log",
            env=root.environment,
            ending=signal.SIGKILL,
        )
        await process.until(lambda: process.answers(port), daemon)
        yield f"127.0.0.1:{port}"


async def test_values_go_through_a_real_proxy_of_zabbix_7(tmp_path: Path, until: Until) -> None:
    url, name = peer.need("zabbix"), f"p{secrets.token_hex(4)}"
    async with (
        api.connect(url, own.LOGIN) as door,
        proxy(name, own.trapper_of("zabbix"), tmp_path) as node,
        backend.open(own.config(node)) as system,
    ):
        (proxyid,) = (await door.call("proxy.create", {"name": name, "operating_mode": 0}))["proxyids"]
        hostid = await own.host(door, name, monitored_by=1, proxyid=proxyid)
        itemid = await own.item(door, hostid, "good")
        sent = own.snapshot(name, {"good": 1.5})
        assert (await system.snapshot(sent)).failed == 1  # parked until the proxy knows the host
        assert await until(lambda: stored(door, itemid)) == [(sent.time_ns, "1.5")]
        await door.call("host.delete", [hostid])
        await door.call("proxy.delete", [proxyid])
