"""A forwarder that runs while a test looks at it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest

from concierge_backends import forwarder, registry
from concierge_proto import bus, settings
from tests.integration.backends import fakes


@pytest.fixture(autouse=True)
def faked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("alpha", "beta"):
        monkeypatch.setitem(registry.BACKENDS, name, f"tests.integration.backends.fakes:{name}")
    fakes.opened.clear()
    yield
    fakes.opened.clear()


@contextlib.asynccontextmanager
async def forwarding(
    config: settings.Settings, link: bus.Bus, **options: str
) -> AsyncIterator[list[fakes.Fake]]:
    """Run a forwarder; yields the fakes it opened."""
    before, ready = len(fakes.opened), asyncio.Event()
    task = asyncio.create_task(forwarder.run(config, link, ready=ready, **options))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    try:
        yield fakes.opened[before:]
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
