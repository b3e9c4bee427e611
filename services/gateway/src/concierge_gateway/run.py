"""The gateway inside a loop that somebody else runs: no signal handlers, no threads, nothing at import."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator, Mapping

import uvicorn

from concierge_backends import port
from concierge_gateway import (
    actions,
    app,
    desk,
    ledger,
    pings,
    protocol,
    publish,
    renewal,
    repair,
    sources,
    tls,
    webhooks,
)
from concierge_proto import bus, errors, health, settings
from concierge_proto.bus import found

log = logging.getLogger(__name__)

_FAREWELL = 5
"""Seconds for requests in flight when it stops."""
_IDLE = 75
"""Seconds an idle connection is kept: longer than senders keep theirs, so that it is theirs to close."""


async def run(
    config: settings.Settings,
    link: bus.Bus,
    *,
    secrets: Mapping[str, list[str]] | None = None,
    listening: asyncio.Future[str] | None = None,
    problems: Mapping[str, port.Problems] | None = None,
) -> None:
    """Serve until cancelled; raises Permanent at once where the configuration can't be served.

    Args:
        config: The whole of it.
        link: A provisioned connection.
        secrets: HMAC secrets by source, besides those in files.
        listening: Told the URL once it listens; `listen` may name port 0.
        problems: By source, whom to ask for the problems that are open now; None: as configured.
    """
    actions.check(config)
    catalogue = found.Catalogue(config)
    config = catalogue.config
    known = sources.build(config, secrets or {})
    book = ledger.Ledger()
    receiver = webhooks.Webhooks(config, known, publish.Shelf(link), book)
    doors = app.Doors(receiver, pings.Pings(config, link), desk.Desk(config, link))
    followed = [
        *sources.followed(known, secrets or {}),
        *doors.desk.operators.followed(),
        *doors.pings.followed(),
    ]
    server = _Server(
        uvicorn.Config(
            app.Front(doors, link, book, list(known)),
            http=protocol.Protocol,
            **tls.options(config.gateway),
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,  # nobody asks who calls: a signature says it
            timeout_keep_alive=_IDLE,
            timeout_graceful_shutdown=_FAREWELL,
        )
    )
    if not known:
        log.warning("no sources: nobody may call the gateway; add [gateway.sources.NAME]")
    server.config.load()
    opened = _listen(config.gateway.listen)
    async with contextlib.AsyncExitStack() as stack:
        if problems is None:
            problems = await stack.enter_async_context(sources.asking(config))
        group = await stack.enter_async_context(asyncio.TaskGroup())
        beside = [
            group.create_task(_repair(catalogue, repair.Repair(config, link, book, receiver, problems))),
            group.create_task(renewal.run(followed)),
            group.create_task(catalogue.run(link)),
        ]
        if server.config.ssl:
            beside.append(group.create_task(tls.renew(config.gateway, server.config.ssl)))
        try:
            await _serve(server, opened, listening)
        finally:
            for task in beside:
                task.cancel()


async def _repair(catalogue: found.Catalogue, repairing: repair.Repair) -> None:
    """Nothing can be judged before it is known which services there are."""
    await catalogue.ready.wait()
    await repairing.run()


class _Server(uvicorn.Server):
    """A server whose process is not its own."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()


async def _serve(server: _Server, opened: socket.socket, listening: asyncio.Future[str] | None) -> None:
    host, number = opened.getsockname()[:2]
    scheme = "https" if server.config.is_ssl else "http"
    url = f"{scheme}://[{host}]:{number}" if ":" in host else f"{scheme}://{host}:{number}"
    serving = asyncio.create_task(server.serve([opened]))
    try:
        await server.up.wait()
        log.info("gateway listens on %s", url)
        if listening is not None and not listening.done():
            listening.set_result(url)
        await asyncio.shield(serving)
    finally:
        server.should_exit = True
        await serving


def _listen(listen: str) -> socket.socket:
    host, number = health.address(listen)
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, number), family=family, backlog=2048)
    except OSError as error:
        raise errors.Permanent(
            f"gateway.listen: cannot listen on {listen}: {error.strerror or error}"
        ) from error
