"""All services in one process: one connection, one task group, one way down."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Coroutine, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from concierge_backends import forwarder
from concierge_cli import nats, place
from concierge_gateway import run as gateway
from concierge_proto import bus, settings
from concierge_scheduler import run as scheduler

EMBEDDED = "embedded"
"""The embedded backend calls the gateway as this source."""


class House(NamedTuple):
    """What runs."""

    link: bus.Bus
    config: settings.Settings
    gateway_url: str


@contextlib.asynccontextmanager
async def open_house(
    config: settings.Settings,
    state: Path,
    webhook_secrets: Mapping[str, list[str]] | None = None,
) -> AsyncIterator[House]:
    """Run everything while the context is open; instances of process targets end with it.

    Args:
        config: The settings; without `nats.url` a server of our own is started.
        state: Folder for what outlives the process: streams, locks, logs.
        webhook_secrets: Secrets of gateway sources that no file holds.
    """
    async with contextlib.AsyncExitStack() as stack:
        config = await _with_nats(stack, place.with_folders(config, state), state)
        config, keys = with_embedded(config, dict(webhook_secrets or {}))
        link = await stack.enter_async_context(bus.connect(config.nats, "up"))
        await bus.provision(link)
        group = await stack.enter_async_context(asyncio.TaskGroup())
        url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        ready = asyncio.Event()
        _task(stack, group, "gateway", gateway.run(config, link, secrets=keys, listening=url))
        gateway_url = config.gateway.public_url or await url
        _task(
            stack,
            group,
            "forwarder",
            forwarder.run(
                config, link, webhook_secret=keys.get(EMBEDDED, [""])[0] or None, gateway_url=await url
            ),
        )
        _task(stack, group, "scheduler", scheduler.run(config, link, ready=ready, end_instances=True))
        await ready.wait()
        yield House(link, config, gateway_url)


def with_embedded(
    config: settings.Settings,
    keys: dict[str, list[str]],
) -> tuple[settings.Settings, dict[str, list[str]]]:
    """Give the embedded backend a way to the gateway, with a secret that lives as long as the process."""
    if EMBEDDED not in config.monitoring.backends or EMBEDDED in config.gateway.sources:
        return config, keys
    sources = {**config.gateway.sources, EMBEDDED: settings.Source(kind="generic")}
    changed = msgspec.structs.replace(
        config, gateway=msgspec.structs.replace(config.gateway, sources=sources)
    )
    return changed, {**keys, EMBEDDED: [secrets.token_urlsafe(32)]}


async def _with_nats(
    stack: contextlib.AsyncExitStack, config: settings.Settings, state: Path
) -> settings.Settings:
    if config.nats.url:
        return config
    store = Path(config.nats.store_dir) if config.nats.store_dir else state / "nats"
    server = nats.server(store, state / "run", listen=config.nats.listen, port=config.nats.port)
    url = await stack.enter_async_context(server)
    return msgspec.structs.replace(config, nats=msgspec.structs.replace(config.nats, url=url))


def _task(
    stack: contextlib.AsyncExitStack,
    group: asyncio.TaskGroup,
    name: str,
    work: Coroutine[None, None, None],
) -> None:
    """Start a service; on the way down it ends after those that were started later."""
    task = group.create_task(work, name=name)

    async def end() -> None:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    stack.push_async_callback(end)
