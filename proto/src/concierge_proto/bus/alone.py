"""A service as a process of its own: settings, bus, signals, exit codes. The same for each."""

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from concierge_proto import bus, errors, settings

Serve = Callable[[settings.Settings, bus.Bus], Awaitable[None]]
"""Serves until cancelled, on a bus that is provisioned."""
Run = Callable[[Coroutine[Any, Any, None]], None]


def main(
    name: str, purpose: str, serve: Serve, argv: Sequence[str] | None = None, run: Run = asyncio.run
) -> None:
    """Run the service `name` until SIGTERM or SIGINT: exit code 0, or 2 and a sentence.

    Args:
        name: `gateway`, …: the program is called `concierge-NAME`.
        purpose: What `--help` says of it.
        serve: The service.
        argv: Without it, the process's own.
        run: What runs the event loop.
    """
    parser = argparse.ArgumentParser(prog=f"concierge-{name}", description=purpose)
    parser.add_argument("--config", metavar="FILE", help="the TOML file; without it, the environment alone")
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for every push
    try:
        run(_until_asked(_serve(name, settings.load(options.config), serve)))
    except (errors.ConciergeError, BaseExceptionGroup) as error:
        found = errors.cause(error)
        if not isinstance(found, errors.ConciergeError):
            raise
        print(f"concierge-{name}: {found}", file=sys.stderr)  # noqa: T201 - the last word of a process
        sys.exit(2)


async def _until_asked(work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.create_task(work)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _serve(name: str, config: settings.Settings, serve: Serve) -> None:
    if not config.nats.url:
        raise errors.Permanent(
            f"nats.url is not set: alone, the {name} needs a NATS server; only `concierge up` starts its own",
        )
    async with bus.connect(config.nats, name) as link:
        await bus.provision(link)
        await serve(config, link)
