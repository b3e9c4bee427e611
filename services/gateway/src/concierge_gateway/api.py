"""The routes of the operators' API, and what the contract says of each."""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import fastapi
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from concierge_gateway import asked, desk, openapi

_ID = "6k1x3p9d7f2s8b4g0j5m1r7v3c"
_STORED = {"command_id": "2c0r8a5v0h4k8m3q1n7t6z9w5e", "correlation_id": _ID}
_SERVICE = {
    "service": "web",
    "target": "shop",
    "kind": "compose",
    "min": 1,
    "max": 10,
    "scheduler": True,
    "heard": ["web-1", "web-2"],
    "last": {"outcome": {"kind": "outcome", "result": "converged", "before": 1, "after": 2}},
    "state": {},
}
_INCIDENT = {
    "correlation_id": _ID,
    "service": "web",
    "name": "High load",
    "started_at": "2026-11-22T10:35:28Z",
    "resolved": True,
    "outcomes": [{"time": "2026-11-22T10:35:29Z", "before": 1, "after": 2, "result": "converged"}],
}
_WHOLE = {"correlation_id": _ID, "started_at": "2026-11-22T10:35:28Z", "resolved": True, "events": []}
_HOLD = {"direction": "in", "until": "2026-11-22T12:35:28Z", "reason": "stock-taking", "owner": "ann"}
_SINCE = {"since": "How far back to look: 30s, 24h, 7d."}
_KEY = {
    "idempotency-key": "The same key and the same order of the same operator are one command, for five minutes."
}


class Route(NamedTuple):
    """One of them."""

    method: str
    path: str
    work: Callable[[desk.Desk, asked.Asked], Awaitable[Response]]
    summary: str
    example: Any
    query: Mapping[str, str] = MappingProxyType({})
    wanted: type[msgspec.Struct] | None = None
    """The body of a POST."""
    body: Any = None
    """An example of it."""

    @property
    def stores(self) -> bool:
        return self.method != "GET"


ROUTES = (
    Route("GET", "/v1/services", desk.Desk.services, "Every service as it stands", {"services": [_SERVICE]}),
    Route("GET", "/v1/services/{service}", desk.Desk.service, "One service as it stands", _SERVICE),
    Route(
        "POST",
        "/v1/commands",
        desk.Desk.command,
        "Scale, within the service's bounds; passes cooldowns and holds",
        _STORED,
        wanted=desk.CommandWanted,
        body={"service": "web", "action": "scale_out 1", "reason": "sale starts at nine"},
    ),
    Route(
        "GET",
        "/v1/commands/{command}",
        desk.Desk.told,
        "What became of a command of the last day",
        {"command_id": _STORED["command_id"], "settled": True, "events": []},
    ),
    Route("GET", "/v1/holds", desk.Desk.holds, "Every hold, by its service", {"holds": {"web": _HOLD}}),
    Route(
        "POST",
        "/v1/holds",
        desk.Desk.hold,
        "Stop scaling a service for a while; a running change is finished",
        _STORED,
        wanted=desk.HoldWanted,
        body={"service": "web", "for": "2h", "direction": "in", "reason": "stock-taking"},
    ),
    Route("DELETE", "/v1/holds/{service}", desk.Desk.lift, "End a hold: what waited is taken up", _STORED),
    Route(
        "GET",
        "/v1/incidents",
        desk.Desk.incidents,
        "Incidents, the newest first",
        {"incidents": [_INCIDENT]},
        query={**_SINCE, "service": "Only this one's.", "limit": f"At most so many: 50, up to {desk.MOST}."},
    ),
    Route(
        "GET",
        "/v1/incidents/{incident}",
        desk.Desk.incident,
        "One incident, every event of it",
        _WHOLE,
        _SINCE,
    ),
)


def add(app: fastapi.FastAPI, found: desk.Desk) -> None:
    """Give the application every route."""
    for route in ROUTES:
        app.add_api_route(
            route.path,
            _endpoint(found, route),
            methods=[route.method],
            status_code=202 if route.stores else 200,
            summary=route.summary,
            response_class=Response,
            responses=_responses(route),
            openapi_extra=_extra(route),
            operation_id=f"{route.method.lower()} {route.path}",
        )


def _endpoint(found: desk.Desk, route: Route) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return await found.answer(request, lambda ask: route.work(found, ask))

    return endpoint


def _responses(route: Route) -> dict[int | str, dict[str, Any]]:
    good = {
        "description": "Stored." if route.stores else "Found.",
        "content": {"application/json": {"example": route.example}},
    }
    odd = {
        400: ("A part of the request is wrong.", "refused", "query limit: write 1 to 1000"),
        401: ("Without a token that counts.", "refused", "header authorization is missing: Bearer TOKEN"),
        403: ("Not in this role, or not for this service.", "refused", "bob is a viewer"),
        404: (
            "No such thing, or no [gateway.operators].",
            "refused",
            "no service 'wep' in the configuration",
        ),
        503: ("Not stored, or not to be read now: try again.", "unavailable", "NATS is away"),
    }
    if route.wanted:
        odd |= {
            status: (openapi.RESPONSES[status]["description"], "refused", "") for status in (408, 413, 415)
        }
    told: dict[int | str, dict[str, Any]] = {202 if route.stores else 200: good}
    return told | {status: openapi.response(*words) for status, words in odd.items()}


def _extra(route: Route) -> dict[str, Any]:
    places = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
    parameters = [
        *({"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in places),
        *(_parameter("query", name, text) for name, text in route.query.items()),
        *(_parameter("header", name, text) for name, text in (_KEY if route.stores else {}).items()),
    ]
    extra: dict[str, Any] = {"parameters": parameters, "security": [{"operator": []}]}
    if route.wanted:
        content = {"schema": _schema(route.wanted), "example": route.body}
        extra["requestBody"] = {"required": True, "content": {"application/json": content}}
    return extra


def _parameter(where: str, name: str, text: str) -> dict[str, Any]:
    return {"name": name, "in": where, "schema": {"type": "string"}, "description": text}


def _schema(wanted: type[msgspec.Struct]) -> dict[str, Any]:
    (schema,), found = msgspec.json.schema_components([wanted])
    return dict(found[schema["$ref"].rpartition("/")[2]])
