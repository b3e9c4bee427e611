"""`concierge-scheduler --config FILE`: the scheduler alone."""

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Sequence

import prometheus_client

from concierge_proto import bus, errors, health, settings
from concierge_scheduler import run


def main(argv: Sequence[str] | None = None) -> None:
    """Schedule until SIGTERM or SIGINT; exit with 2 and a sentence where it can't."""
    parser = argparse.ArgumentParser(prog="concierge-scheduler", description="Commands in, instances out.")
    parser.add_argument("--config", metavar="FILE", help="the TOML file; without it, the environment alone")
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        asyncio.run(_main(options.config))
    except errors.ConciergeError as error:
        print(f"concierge-scheduler: {error}", file=sys.stderr)
        sys.exit(2)


async def _main(path: str | None) -> None:
    config = settings.load(path)
    if not config.nats.url:
        raise errors.Permanent("nats.url is not set: alone, the scheduler needs a NATS server to talk to")
    work = asyncio.create_task(_serve(config))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, work.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await work


async def _serve(config: settings.Settings) -> None:
    status = run.Status(list(config.targets))
    async with contextlib.AsyncExitStack() as stack:
        link = await stack.enter_async_context(bus.connect(config.nats, "scheduler"))
        await bus.provision(link)

        def missing() -> str:
            return status.missing if link.connected else "not connected to NATS"

        listen = config.scheduler.listen
        await stack.enter_async_context(health.serving(listen, missing, prometheus_client.generate_latest))
        await run.run(config, link, status=status)


if __name__ == "__main__":
    main()
