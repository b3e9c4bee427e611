"""`concierge-gateway --config FILE`: the gateway alone."""

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Sequence

import uvloop

from concierge_gateway import run
from concierge_proto import bus, errors, settings


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT; exit with 2 and a sentence where it can't."""
    parser = argparse.ArgumentParser(prog="concierge-gateway", description="Webhooks in, commands out.")
    parser.add_argument("--config", metavar="FILE", help="the TOML file; without it, the environment alone")
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        uvloop.run(_main(options.config))
    except errors.ConciergeError as error:
        print(f"concierge-gateway: {error}", file=sys.stderr)
        sys.exit(2)


async def _main(path: str | None) -> None:
    config = settings.load(path)
    if not config.nats.url:
        raise errors.Permanent("nats.url is not set: alone, the gateway needs a NATS server to talk to")
    work = asyncio.create_task(_serve(config))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, work.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await work


async def _serve(config: settings.Settings) -> None:
    async with bus.connect(config.nats, "gateway") as link:
        await bus.provision(link)
        await run.run(config, link)


if __name__ == "__main__":
    main()
