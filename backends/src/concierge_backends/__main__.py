"""`concierge-forwarder --config FILE`: the forwarder by itself. The only place here that reads the environment."""

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Sequence

from concierge_backends import forwarder, measures
from concierge_proto import bus, errors, health, settings


def main(argv: Sequence[str] | None = None) -> None:
    """Run until SIGINT or SIGTERM; exit code 2 and a sentence when it cannot start."""
    parser = argparse.ArgumentParser(
        prog="concierge-forwarder", description="Forward metrics to the monitoring system."
    )
    parser.add_argument("--config", help="the TOML file; without it, defaults and CONCIERGE_… variables")
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for every push
    failed = False
    try:
        asyncio.run(serve(options.config))
    except* errors.Permanent as group:
        failed = True
        print(f"concierge-forwarder: {_first(group)}", file=sys.stderr)
    if failed:
        sys.exit(2)


async def serve(path: str | None) -> None:
    """Read the settings, open the parts, run."""
    asked = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    work = asyncio.create_task(_forward(settings.load(path)))
    waiting = asyncio.create_task(asked.wait())
    await asyncio.wait({work, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work


async def _forward(config: settings.Settings) -> None:
    if not config.nats.url:
        raise errors.Permanent("nats.url is not set: only `concierge up` starts a server of its own")
    ready = asyncio.Event()
    async with bus.connect(config.nats, "forwarder") as link:
        await bus.provision(link)

        def missing() -> str:
            if not link.connected:
                return "not connected to NATS"
            return "" if ready.is_set() else "starting"

        async with health.serving(config.forwarder.listen, missing, measures.render):
            await forwarder.run(config, link, ready=ready)


def _first(group: BaseExceptionGroup[errors.Permanent]) -> BaseException:
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found


if __name__ == "__main__":
    main()
