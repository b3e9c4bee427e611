"""What a sender is told: one JSON object, in every case with a decision and a reason."""

import math
from collections.abc import Sequence

import msgspec
from starlette.responses import Response


class Refusal(Exception):
    """A request that is turned away, with the sentence that says why and, where it can, which field."""

    def __init__(self, status: int, reason: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = headers


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one trigger."""

    id: str = ""
    correlation_id: str = ""
    decision: str
    """A reason code: see `rules.VERDICTS`; `duplicate`, `refused` or `unavailable`."""
    reason: str


class Answer(Verdict, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a webhook: its first trigger that matters, and all of them when there are several."""

    triggers: tuple[Verdict, ...] = ()
    tags: dict[str, str] = {}
    """For Zabbix, which puts them on the event (`process_tags`)."""


_encode = msgspec.json.Encoder().encode
_WEIGHT = {"command": 0, "release": 1}


def accepted(verdicts: Sequence[Verdict], kind: str) -> Response:
    """Answer 202: everything is stored."""
    if not verdicts:
        return respond(202, Answer(decision="nothing", reason="the body holds no alert"))
    first = min(verdicts, key=lambda verdict: _WEIGHT.get(verdict.decision, 2))
    answer = Answer(
        id=first.id,
        correlation_id=first.correlation_id,
        decision=first.decision,
        reason=first.reason,
        triggers=tuple(verdicts) if len(verdicts) > 1 else (),
        tags={"concierge.correlation": first.correlation_id} if kind == "zabbix" else {},
    )
    return respond(202, answer)


def refused(refusal: Refusal) -> Response:
    """Answer 4xx: sending the same again changes nothing; or 5xx and 429: it does."""
    decision = "unavailable" if refusal.status in {429, 503} else "refused"
    return respond(refusal.status, Answer(decision=decision, reason=str(refusal)), refusal.headers)


def later(status: int, reason: str, delay: float = 1.0) -> Refusal:
    """Ask for patience: `delay` in seconds."""
    return Refusal(status, reason, {"Retry-After": str(max(1, math.ceil(delay)))})


def respond(status: int, answer: Answer, headers: dict[str, str] | None = None) -> Response:
    return Response(_encode(answer), status, headers, "application/json")
