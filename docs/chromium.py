"""A headless Chromium, told what to do over its debugging pipe: JSON, each message ended by a zero byte."""

import asyncio
import base64
import contextlib
import json
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--hide-scrollbars", "--remote-debugging-pipe", "about:blank"),
)
HEARS, SAYS = 3, 4
"""File descriptors on which Chromium reads and writes."""
PATIENCE = 60.0


class Size(NamedTuple):
    """Pixels."""

    width: int
    height: int


class Page:
    """One tab. A session lasts as long as the browser."""

    def __init__(self, said: asyncio.StreamReader, tell: int) -> None:
        self._said = said
        self._tell = tell
        self._calls = 0
        self._session = ""

    async def open(self) -> None:
        targets = (await self._call("Target.getTargets"))["targetInfos"]
        tab = next(one["targetId"] for one in targets if one["type"] == "page")
        attached = await self._call("Target.attachToTarget", targetId=tab, flatten=True)
        self._session = attached["sessionId"]

    async def show(self, url: str, size: Size, ready: str = "true") -> None:
        """Go there and wait until the page and all its pictures are loaded and the script `ready` is true."""
        metrics = {**size._asdict(), "deviceScaleFactor": 1, "mobile": False}
        await self._call("Emulation.setDeviceMetricsOverride", **metrics)
        await self._call("Page.navigate", url=url)
        loaded = "document.readyState === 'complete' && [...document.images].every(one => one.complete)"
        async with asyncio.timeout(PATIENCE):
            while not await self.run(f"{loaded} && Boolean({ready})"):  # noqa: ASYNC110 - a browser's page
                await asyncio.sleep(0.1)

    async def run(self, script: str) -> Any:
        """Return what a script in the page comes to."""
        found = await self._call("Runtime.evaluate", expression=script, returnByValue=True)
        return found["result"].get("value")

    async def picture(self) -> bytes:
        """Return what is seen, as PNG."""
        return base64.b64decode((await self._call("Page.captureScreenshot", format="png"))["data"])

    async def _call(self, method: str, **params: object) -> dict[str, Any]:
        self._calls += 1
        session = {"sessionId": self._session} if self._session else {}
        call = {"id": self._calls, "method": method, "params": params, **session}
        os.write(self._tell, json.dumps(call).encode() + b"\0")
        async with asyncio.timeout(PATIENCE):
            while True:
                message = json.loads((await self._said.readuntil(b"\0"))[:-1])
                if message.get("id") == self._calls:
                    break
        if "error" in message:
            raise RuntimeError(f"{method}: {message['error']}")
        return dict(message["result"])


@contextlib.asynccontextmanager
async def page() -> AsyncIterator[Page]:
    """Run Chromium while the context is open."""
    hears, tell = os.pipe()
    listen, says = os.pipe()
    with tempfile.TemporaryDirectory(prefix="chromium-") as profile:
        child = await _start(hears, says, profile)
        os.close(hears)
        os.close(says)
        said = asyncio.StreamReader(limit=2**26)
        loop = asyncio.get_running_loop()
        with os.fdopen(listen, "rb", buffering=0) as pipe:
            await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(said), pipe)
            try:
                found = Page(said, tell)
                await found.open()
                yield found
            finally:
                os.close(tell)
                await child.wait()


async def _start(hears: int, says: int, profile: str) -> asyncio.subprocess.Process:
    """Start it with the two ends of the pipe where it looks for them."""
    moved = f'exec "$0" "$@" {HEARS}<&{hears} {SAYS}>&{says}'
    return await asyncio.create_subprocess_exec(
        *("bash", "-c", moved, "chromium", f"--user-data-dir={Path(profile)}", *FLAGS),
        pass_fds=(hears, says),
        stderr=asyncio.subprocess.DEVNULL,
    )
