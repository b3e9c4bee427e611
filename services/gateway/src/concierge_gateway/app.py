"""The HTTP surface: webhooks in, and what an operator or a probe asks."""

import importlib.metadata
from collections.abc import Callable
from typing import NamedTuple

import fastapi
import prometheus_client
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from concierge_gateway import answers, api, desk, ledger, openapi, pings, webhooks
from concierge_proto import bus

ABOUT = """\
Concierge's gateway: a monitoring system posts its problems here, signed; they become commands.

POST /webhooks/<source>   sources: {sources}
GET  /v1/ping/<service>/<instance>   1: it runs, 0: it does not; with gateway.ping_token_file
/v1/services /v1/commands /v1/holds /v1/incidents   for operators: [gateway.operators.NAME]
GET  /healthz /readyz     alive; connected, and the log read
GET  /metrics             for Prometheus
GET  /openapi.json        the contract, with an example for each kind of source
"""


_WEBHOOKS = "/webhooks/"


class Doors(NamedTuple):
    """Who answers what."""

    webhooks: webhooks.Webhooks
    pings: pings.Pings
    desk: desk.Desk


class Front:
    """The whole application: webhooks go straight in, past the layers that only the rest needs."""

    def __init__(self, doors: Doors, link: bus.Bus, book: ledger.Ledger, sources: list[str]) -> None:
        self._app = build(doors, link, book, sources)
        self._webhooks = doors.webhooks
        self._sources = {f"{_WEBHOOKS}{source}": source for source in sources}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        source = self._sources.get(scope["path"]) if scope.get("method") == "POST" else None
        if source is None:
            await self._app(scope, receive, send)
            return
        scope["path_params"] = {"source": source}
        response = await self._webhooks.receive(Request(scope, receive))
        await response(scope, receive, send)


def build(doors: Doors, link: bus.Bus, book: ledger.Ledger, sources: list[str]) -> fastapi.FastAPI:
    """Return the application; it starts nothing."""
    app = fastapi.FastAPI(
        title="Concierge gateway",
        version=importlib.metadata.version("concierge-gateway"),
        description="Webhooks in, commands out. 2xx means stored, and only that.",
        docs_url=None,  # its page would load scripts from the network
        redoc_url=None,
        redirect_slashes=False,  # behind a proxy it would send a proof on over plain http
    )
    app.add_exception_handler(HTTPException, _refuse)
    _add_webhooks(app, doors.webhooks, sources)
    _add_ping(app, doors.pings)
    api.add(app, doors.desk)
    _add_probes(app, lambda: missing(link, book))
    about = ABOUT.format(sources=", ".join(sources) or "none yet; add [gateway.sources.NAME]")

    @app.get("/", include_in_schema=False)
    async def index() -> Response:
        return PlainTextResponse(about)

    return app


def missing(link: bus.Bus, book: ledger.Ledger) -> str:
    """Return what keeps the gateway from storing a webhook; "" when nothing does."""
    if not link.connected:
        return "NATS is away"
    if not book.read.is_set():
        return "the log of earlier problems is still being read"
    return ""


def _add_webhooks(app: fastapi.FastAPI, receiver: webhooks.Webhooks, sources: list[str]) -> None:
    @app.post(
        _WEBHOOKS + "{source}",  # the receiver reads it, without FastAPI's models in between
        status_code=202,
        summary="A problem, its next step, or its end",
        response_class=Response,
        responses=openapi.RESPONSES,
        openapi_extra=openapi.webhook(sources),
    )
    async def webhook(request: Request) -> Response:
        return await receiver.receive(request)


def _add_ping(app: fastapi.FastAPI, pinger: pings.Pings) -> None:
    @app.get(
        "/v1/ping/{service}/{instance}",  # noqa: FAST003 - as above
        summary="Whether an instance runs, asked of its courier",
        response_class=PlainTextResponse,
        responses=openapi.PING_RESPONSES,
        openapi_extra=openapi.PING,
    )
    async def ping(request: Request) -> Response:
        return await pinger.receive(request)


def _add_probes(app: fastapi.FastAPI, lacking: Callable[[], str]) -> None:
    @app.head("/healthz", include_in_schema=False)  # what `wget --spider` and balancers ask with
    @app.get("/healthz", response_class=PlainTextResponse, summary="Alive")
    async def healthz() -> Response:
        return PlainTextResponse("ok\n")

    @app.head("/readyz", include_in_schema=False)
    @app.get(
        "/readyz",
        response_class=PlainTextResponse,
        responses={503: {"description": "What is missing", "content": {"text/plain": {}}}},
        summary="Able to store a webhook",
    )
    async def readyz() -> Response:
        lack = lacking()
        return PlainTextResponse(f"{lack}\n", 503) if lack else PlainTextResponse("ready\n")

    @app.get("/metrics", response_class=PlainTextResponse, summary="For Prometheus")
    async def metrics() -> Response:
        return Response(prometheus_client.generate_latest(), media_type=prometheus_client.CONTENT_TYPE_LATEST)


async def _refuse(_: Request, error: Exception) -> Response:
    """Say in our words what the router refuses: an unknown path, a wrong method."""
    if not isinstance(error, HTTPException):
        raise error
    headers = dict(error.headers or {})
    return answers.refused(answers.Refusal(error.status_code, f"{error.detail}: see GET /", headers))
