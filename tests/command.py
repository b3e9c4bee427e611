"""`concierge` as a user runs it: a command with a configuration, in a process of its own."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx

PATIENCE = 120.0


class Concierge:
    """The command, with one configuration; what `up` keeps lies beside that file."""

    def __init__(self, file: Path, gateway: str, **variables: str) -> None:
        self._command = (str(Path(sys.executable).parent / "concierge"), "--config", str(file))
        self._folder = file.parent
        self._log = file.with_suffix(".log")
        self._gateway = gateway
        self._environ = {**os.environ, "XDG_STATE_HOME": str(file.parent), **variables}

    async def run(self, *words: str) -> str:
        """Return what it prints; fail with what it says when it does not end well."""
        pipe = asyncio.subprocess.PIPE
        child = await self._start(*words, stdout=pipe, stderr=pipe)
        async with asyncio.timeout(PATIENCE):
            out, said = await child.communicate()
        if child.returncode:
            told = (out + said).decode(errors="replace")[-3000:]
            raise RuntimeError(f"concierge {' '.join(words)} ended with {child.returncode}: {told}")
        return out.decode()

    @contextlib.asynccontextmanager
    async def up(self) -> AsyncIterator[None]:
        """Run everything while the context is open; after a failure inside, say what it said."""
        with self._log.open("ab") as log:
            child = await self._start("up", stdout=log, stderr=log)
        try:
            await self._ready(child)
            yield
        except BaseException as error:
            error.add_note(self._log.read_text(errors="replace")[-4000:])
            raise
        finally:
            with contextlib.suppress(ProcessLookupError):
                child.terminate()
            await child.wait()

    async def _start(self, *words: str, **streams: object) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *self._command,
            *words,
            env=self._environ,
            cwd=self._folder,
            stdin=asyncio.subprocess.DEVNULL,
            **streams,  # type: ignore[arg-type]
        )

    async def _ready(self, child: asyncio.subprocess.Process) -> None:
        async with asyncio.timeout(PATIENCE), httpx.AsyncClient() as client:
            while child.returncode is None:
                with contextlib.suppress(httpx.TransportError):
                    if (await client.get(f"{self._gateway}/readyz")).status_code == httpx.codes.OK:
                        return
                await asyncio.sleep(0.05)
        raise RuntimeError("concierge up has ended")
