"""The operators' HTTP API: what the desk shows and does, for programs. 2xx to a POST means stored, and only that."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from concierge_gateway import actions, answers, asked, intake, operators
from concierge_proto import bus, errors, settings, subjects
from concierge_proto.bus import journal, orders, standing

MOST = 1000
"""Incidents of one answer."""
_COMMAND_AGE = timedelta(days=1)
_INCIDENT_AGE = timedelta(days=7)

Words = Annotated[str, msgspec.Meta(max_length=500)]


class CommandWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of `POST /v1/commands`."""

    service: str
    action: Words
    """`scale_out 1`, `scale_in 1`, `scale_to 3`, …, as a trigger says it."""
    reason: Words = ""


class HoldWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of `POST /v1/holds`."""

    service: str
    length: Words = msgspec.field(default="1h", name="for")
    direction: str = "both"
    reason: Words = ""


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """Answer to what was stored: nothing has happened yet."""

    command_id: str
    correlation_id: str


class Desk:
    """Answers operators."""

    def __init__(self, config: settings.Settings, link: bus.Bus) -> None:
        self._config = config
        self._link = link
        self.operators = operators.Operators(config)

    async def answer(self, request: Request, work: Callable[[asked.Asked], Awaitable[Response]]) -> Response:
        """Do some work for whoever asks; never raises."""
        try:
            headers = intake.head(request)
            ask = asked.Asked(request, headers, self.operators.find(headers))
            if not self._link.connected:
                raise answers.later(503, "NATS is away")
            return await work(ask)
        except answers.Refusal as refusal:
            return answers.refused(refusal)
        except errors.Malformed as error:
            return answers.refused(answers.Refusal(400, str(error)))
        except (
            errors.ConciergeError,
            TimeoutError,
        ) as error:  # what NATS denies too: it is no fault of who asks
            return answers.refused(answers.later(503, str(error) or "NATS does not answer"))

    async def services(self, ask: asked.Asked) -> Response:
        """Answer with every service that the operator may see."""
        seen = [name for name in self._config.services if ask.who.sees(name)]
        return _json({"services": await self._standing(seen)})

    async def service(self, ask: asked.Asked) -> Response:
        """Answer with one service."""
        name = self._known(ask, ask.path("service"))
        return _json((await self._standing([name]))[0])

    async def command(self, ask: asked.Asked) -> Response:
        """Store a command."""
        wanted = await ask.body(CommandWanted, self._config.gateway.max_body)
        action = actions.parse(wanted.action)
        return await self._store(ask, wanted.service, orders.Order(*action), wanted.reason)

    async def told(self, ask: asked.Asked) -> Response:
        """Answer with what became of a command."""
        wanted = ask.path("command")
        found = [event async for event in self._events(_COMMAND_AGE) if _about(event) == wanted]
        if not found:
            raise answers.Refusal(404, f"no scheduler has said anything of command {wanted} within a day")
        ask.who.must_see(str(found[0]["service"]))
        return _json({"command_id": wanted, "settled": settled(found), "events": found})

    async def holds(self, ask: asked.Asked) -> Response:
        """Answer with every hold."""
        seen = [name for name in self._config.services if ask.who.sees(name)]
        documents = {name: await standing.document(self._link, name) for name in seen}
        return _json({"holds": {name: held["hold"] for name, held in documents.items() if held.get("hold")}})

    async def hold(self, ask: asked.Asked) -> Response:
        """Store a hold."""
        wanted = await ask.body(HoldWanted, self._config.gateway.max_body)
        return await self._store(
            ask, wanted.service, orders.hold(wanted.direction, wanted.length), wanted.reason
        )

    async def lift(self, ask: asked.Asked) -> Response:
        """Store the end of a hold."""
        return await self._store(ask, ask.path("service"), orders.Order("lift"), "")

    async def incidents(self, ask: asked.Asked) -> Response:
        """Answer with incidents, the newest first."""
        found: dict[str, dict[str, Any]] = {}
        async for event in self._events(ask.age("since", _INCIDENT_AGE)):
            if event["correlation_id"] and ask.who.sees(str(event.get("service", ""))):
                _gather(found, event)
        newest = sorted(found.values(), key=lambda one: one["started_at"], reverse=True)
        only = ask.query("service")
        chosen = [one for one in newest if not only or one["service"] == only]
        return _json({"incidents": chosen[: ask.limit(MOST)]})

    async def incident(self, ask: asked.Asked) -> Response:
        """Answer with one incident, whole."""
        wanted = ask.path("incident")
        events = await journal.chain(self._link, wanted, datetime.now(UTC) - ask.age("since", _INCIDENT_AGE))
        if not events:
            raise answers.Refusal(404, f"no incident {wanted}: ?since= looks further back than 7d")
        seen = [event for event in events if ask.who.sees(_whose(event))]  # one problem may move two services
        if not seen:
            ask.who.must_see(_whose(events[0]))
        return _json(journal.summary(seen))

    async def _store(self, ask: asked.Asked, service: str, order: orders.Order, reason: str) -> Response:
        ask.who.must_rule(self._known(ask, service))
        command = orders.command(
            self._config, service, order, owner=ask.who.name, reason=reason, key=ask.key()
        )
        await orders.store(self._link, command)
        told = Stored(command_id=command.id, correlation_id=command.correlation_id)
        return _json(told, 202, {"Location": f"/v1/commands/{command.id}"})

    def _known(self, ask: asked.Asked, service: str) -> str:
        if service not in self._config.services:
            raise answers.Refusal(404, f"no service {service[:80]!r} in the configuration")
        ask.who.must_see(service)
        return service

    async def _standing(self, names: list[str]) -> list[dict[str, Any]]:
        heard, last = await standing.heard(self._link, self._config), await standing.latest(self._link)
        held = await standing.targets_held(self._link)
        return [
            {
                "service": name,
                "target": policy.target,
                "kind": self._config.targets[policy.target].kind,
                "min": policy.min,
                "max": policy.max,
                "scheduler": policy.target in held,
                "heard": heard.get(name, ()),
                "last": {kind: journal.record(event) for (one, kind), event in last.items() if one == name},
                "state": await standing.document(self._link, name),
            }
            for name, policy in list(self._config.services.items())
            if name in names
        ]

    async def _events(self, age: timedelta) -> AsyncIterator[dict[str, Any]]:
        since = datetime.now(UTC) - age
        async for delivery in self._link.history("EVENTS", f"{subjects.ROOT}.event.>", since=since):
            yield journal.record(delivery)


def settled(events: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether nothing more is to come of a command."""
    return any(
        event["kind"] == "outcome"
        or (event["kind"] == "decision" and event["verdict"] in {"nothing", "refuse"})
        for event in events
    )


def _about(event: Mapping[str, Any]) -> str:
    return str(event.get("command_id", "")) if event["kind"] in {"decision", "outcome"} else ""


def _whose(event: bus.Delivery) -> str:
    return subjects.parse(event.subject).service


def _gather(found: dict[str, dict[str, Any]], event: Mapping[str, Any]) -> None:
    """Add an event to the short form of its incident."""
    one = found.setdefault(
        event["correlation_id"],
        {
            "correlation_id": event["correlation_id"],
            "service": event.get("service", ""),
            "name": "",
            "started_at": event["time"],
            "resolved": False,
            "outcomes": [],
        },
    )
    if event["kind"] == "trigger":
        one["name"] = one["name"] or event.get("name", "")
        one["resolved"] = one["resolved"] or event["status"] == "resolved"
    if event["kind"] == "decision" and not one["name"]:
        one["name"] = (event["command"] or {}).get("reason") or event["reason"]
    if event["kind"] == "outcome":
        one["outcomes"].append({key: event[key] for key in ("time", "before", "after", "result")})


def _json(answer: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(answer), status, headers, "application/json")
