"""An application that nothing may harm: it counts its own ticks while a test makes the courier's life hard."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from pathlib import Path

from tests.integration.courier import scene

CODE = 5
"""Its exit, when it is told to stop."""
MOST = 60.0
"""MB of the courier's process at its peak; it rests at 30."""
_APPLICATION = "trap 'exit 5' TERM; while :; do echo >>{file}; sleep 0.05; done"


class Trial(scene.Courier):
    """A courier with such an application."""

    def __init__(self, process: asyncio.subprocess.Process, file: Path) -> None:
        super().__init__(process)
        self._file = file

    @property
    def peak(self) -> float:
        """MB."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024

    async def ticks(self, more: int = 10) -> None:
        """Return when the application has ticked so often again."""
        wanted = self._count() + more
        async with asyncio.timeout(30):
            while self._count() < wanted:
                await asyncio.sleep(0.02)

    def _count(self) -> int:
        return self._file.stat().st_size if self._file.exists() else 0

    async def stopped(self, most: float = MOST) -> str:
        """Fail unless it still ticks, in little memory, and its end is its own; return what the courier said."""
        await self.ticks()
        assert self.peak < most
        self.signal(signal.SIGTERM)
        assert await self.ended() == CODE
        return await self.said()


@contextlib.asynccontextmanager
async def courier(folder: Path, *words: str, most: float = MOST, **environ: str) -> AsyncIterator[Trial]:
    """Run one as web-1 of the service web, ten times a second, and prove at the end that no harm was done."""
    file = folder / "ticks"
    us = ("run", "--service", "web", "--instance", "web-1", "--interval", "100ms", *words)
    async with scene.courier(*us, "--", "sh", "-c", _APPLICATION.format(file=file), **environ) as one:
        found = Trial(one.process, file)
        await found.ticks(1)
        yield found
        if found.process.returncode is None:
            await found.stopped(most)
