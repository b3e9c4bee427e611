"""From the bus to every monitoring system of the configuration.

TELEMETRY ──one durable a backend──▶ deliver ──▶ backend ──▶ receipt
every snapshot and heartbeat ──▶ overview ──▶ feed (the lease's holder) ──▶ backend: states, aggregates
                                    └─ silent ──▶ presence: ping ──▶ vanished
EVENTS ──one durable a backend──▶ tell ──▶ backend: what became of what it asked for
"""

import asyncio
import contextlib
import os
import socket

from concierge_backends import deliver, feed, guard, measures, overview, presence, registry, tell
from concierge_proto import bus, settings
from concierge_proto.bus import found


async def run(
    config: settings.Settings,
    link: bus.Bus,
    webhook_secret: str | None = None,
    gateway_url: str | None = None,
    ready: asyncio.Event | None = None,
) -> None:
    """Forward until cancelled.

    Args:
        config: The settings.
        link: A provisioned bus.
        webhook_secret: What the embedded backend signs with; None: its source's `secret_file`.
        gateway_url: Where it calls; None: as the configuration says.
        ready: Set when everything runs and what PRESENCE held was read.

    Raises:
        Permanent: A backend cannot be opened: an unknown name, a library or a secret that is missing.
    """
    async with contextlib.AsyncExitStack() as stack:
        systems = [
            await stack.enter_async_context(
                registry.open_backend(name, config, webhook_secret=webhook_secret, gateway_url=gateway_url),
            )
            for name in config.monitoring.backends
        ]
        async with asyncio.TaskGroup() as group:
            seen = overview.Overview(link, config.services)
            catalogue = found.Catalogue(config, lambda: seen.adopt(catalogue.config.services))
            group.create_task(catalogue.run(link), name="labels")
            for number, system in enumerate(systems):
                backend = guard.Guard(system)
                sent = deliver.Deliverer(link, backend, primary=number == 0, heard=seen.note)
                group.create_task(sent.worker.run(), name=f"deliver {backend.name}")
                group.create_task(feed.Feed(backend, _lease(link, backend.name), seen).run())
                group.create_task(tell.Teller(link, backend).worker.run(), name=f"tell {backend.name}")
                measures.UP.labels(backend.name).set(0)
            group.create_task(seen.run(), name="overview")
            group.create_task(presence.Watch(link, seen, catalogue.config.services).run())
            await seen.ready.wait()
            if ready:
                ready.set()


def _lease(link: bus.Bus, backend: str) -> bus.Lease:
    return bus.Lease(
        link.store("concierge_leases"), f"forward.{backend}", f"{socket.gethostname()}-{os.getpid()}"
    )
