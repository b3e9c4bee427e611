"""`concierge-forwarder --config FILE`: the forwarder alone."""

import asyncio
from collections.abc import Sequence

from concierge_backends import forwarder, measures
from concierge_proto import bus, health, settings
from concierge_proto.bus import alone


def main(argv: Sequence[str] | None = None) -> None:
    alone.main("forwarder", "Metrics from the bus to the monitoring system.", serve, argv)


async def serve(config: settings.Settings, link: bus.Bus) -> None:
    """Forward, and answer `/metrics` and `/readyz`, until cancelled."""
    ready = asyncio.Event()

    def missing() -> str:
        if not link.connected:
            return "not connected to NATS"
        return "" if ready.is_set() else "starting"

    async with health.serving(config.forwarder.listen, missing, measures.render):
        await forwarder.run(config, link, ready=ready)


if __name__ == "__main__":
    main()
