"""`concierge-forwarder` as a process of its own."""

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx

from concierge_proto import bus, messages, subjects
from tests.peers import process
from tests.unit.backends.said import block


@contextlib.asynccontextmanager
async def started(file: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "concierge_backends",
        "--config",
        str(file),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.communicate()


async def test_forwards_says_how_it_is_and_ends_cleanly(link: bus.Bus, nats_url: str, tmp_path: Path) -> None:
    listen = f"127.0.0.1:{process.free_port()}"
    file = tmp_path / "concierge.toml"
    file.write_text(f'[nats]\nurl = "{nats_url}"\n[forwarder]\nlisten = "{listen}"\n', "utf-8")
    said = messages.Snapshot(
        service="web", instance="one", time_ns=time.time_ns(), seq=1, boot="b", blocks=(block(load=1.0),)
    )
    async with (
        link.listening("concierge.v1.receipt.web.*") as heard,
        started(file) as child,
        httpx.AsyncClient(trust_env=False) as http,
        asyncio.timeout(30),
    ):
        await link.publish(link.pack(subjects.snapshot("web", "one"), said))
        receipt = (await anext(heard)).read(messages.Receipt)
        assert (receipt.backend, receipt.processed) == ("embedded", 1)
        while (await http.get(f"http://{listen}/readyz")).status_code != 200:
            await asyncio.sleep(0.05)
        page = (await http.get(f"http://{listen}/metrics")).text
        assert 'concierge_forwarder_values_total{backend="embedded",result="processed"} 1.0' in page
        assert 'concierge_forwarder_backend_up{backend="embedded"} 1.0' in page
        assert 'concierge_forwarder_lag_messages{backend="embedded"} 0.0' in page
        child.send_signal(signal.SIGTERM)
        assert await child.wait() == 0
        assert child.stderr
        assert b"Traceback" not in await child.stderr.read()


async def test_what_cannot_start_says_one_sentence(nats_url: str, tmp_path: Path) -> None:
    file = tmp_path / "concierge.toml"
    file.write_text(
        f'[nats]\nurl = "{nats_url}"\n[forwarder]\nlisten = ""\n[monitoring]\nbackends = ["nagios"]\n'
    )
    async with started(file) as child, asyncio.timeout(30):
        assert child.stderr
        lines = (await child.stderr.read()).decode().splitlines()
        assert await child.wait() == 2
    assert lines[-1].startswith("concierge-forwarder: monitoring.backends: no backend 'nagios'")
    assert not any("Traceback" in line for line in lines)
