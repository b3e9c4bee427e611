"""`concierge-scheduler --config FILE`: the scheduler alone."""

from collections.abc import Sequence

import prometheus_client

from concierge_proto import bus, health, settings
from concierge_proto.bus import alone
from concierge_scheduler import run


def main(argv: Sequence[str] | None = None) -> None:
    alone.main("scheduler", "Commands in, instances out.", serve, argv)


async def serve(config: settings.Settings, link: bus.Bus) -> None:
    """Schedule, and answer `/metrics` and `/readyz`, until cancelled."""
    status = run.Status(list(config.targets))

    def missing() -> str:
        return status.missing if link.connected else "not connected to NATS"

    async with health.serving(config.scheduler.listen, missing, prometheus_client.generate_latest):
        await run.run(config, link, status=status)


if __name__ == "__main__":
    main()
