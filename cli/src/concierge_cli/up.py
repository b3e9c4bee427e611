"""`concierge up`: everything in one process."""

import asyncio
import contextlib
import fcntl
import logging
import signal
from collections.abc import Iterator
from pathlib import Path

import typer

from concierge_cli import check
from concierge_cli.place import Place
from concierge_proto import errors
from concierge_proto.bus import access

log = logging.getLogger("concierge")


def up(context: typer.Context) -> None:
    """Run gateway, forwarder and scheduler in one process, until Ctrl-C.

    Without `nats.url` it starts a NATS server of its own. Instances of `process` targets end with it;
    containers live on.
    """
    asyncio.run(serve(context.obj))


async def serve(place: Place) -> None:
    """Run until SIGINT or SIGTERM."""
    from concierge_cli.house import open_house  # noqa: PLC0415 - `concierge status` does not wait for FastAPI

    config = place.load()
    check.verify(config)
    place.state.mkdir(parents=True, exist_ok=True)
    with only_one(place.state / "up.lock", str(place.path)):
        async with open_house(config, place.state) as house:
            with place.told(house.config.nats.url):
                log.info("bus %s", access.shown(house.config.nats.url))
                log.info(
                    "gateway %s, sources: %s",
                    house.gateway_url,
                    ", ".join(house.config.gateway.sources) or "none",
                )
                log.info(
                    "%s; `concierge status` shows what runs, Ctrl-C ends it", _services(list(config.services))
                )
                await asked_to_stop()
                log.info("stopping")


async def asked_to_stop() -> None:
    """Return on the first SIGINT or SIGTERM; a second one is the default again."""
    loop, asked = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked.set)
    try:
        await asked.wait()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


@contextlib.contextmanager
def only_one(lock: Path, config: str) -> Iterator[None]:
    """Hold the lock of a state folder; raise Permanent when another process does."""
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise errors.Permanent(
                f"`concierge up` already runs with {config}: stop that one first"
            ) from None
        yield


def _services(names: list[str]) -> str:
    return (
        f"services: {', '.join(names)}"
        if names
        else "no services yet: add [services.NAME] to the configuration"
    )
