"""What became of a command, as the systems without comments keep it."""

from datetime import timedelta
from typing import Any

import httpx

from concierge_backends import port
from concierge_backends.embedded import history
from concierge_backends.prometheus import backend
from concierge_proto import messages, settings
from tests.unit.backends.said import NOW


def report(result: messages.Result = "converged", seconds: float = 0, **more: Any) -> port.Report:
    outcome = messages.Outcome(
        id=f"o{seconds}",
        service="web",
        target="shop",
        result=result,
        before=1,
        wanted=2,
        after=2,
        duration_ms=400,
        command_id="c",
        correlation_id="i",
        started_at=NOW,
        at=NOW + timedelta(seconds=seconds),
        **more,
    )
    return port.Report(outcome)


def decision() -> port.Report:
    return port.Report(
        messages.Decision(
            id="d", service="web", target="shop", verdict="wait", reason="held", correlation_id="i", at=NOW
        )
    )


def test_the_embedded_one_remembers_each_once_and_in_order() -> None:
    found = history.History()
    for told in (decision(), report(), report(), decision()):
        found.report(told)
    assert list(found.reports) == [decision(), report()]


async def test_prometheus_gets_the_last_outcome_and_no_older_one_over_it() -> None:
    pushed: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        pushed.append(request)
        return httpx.Response(200)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        system = backend.Backend(client, settings.Prometheus(pushgateway_url="http://gateway"))
        for told in (decision(), report(seconds=5), report(seconds=1), report("failed", seconds=9)):
            await system.report(told)
    assert {(one.method, one.url.path) for one in pushed} == {
        ("PUT", "/metrics/job/concierge/service/web/part/scaling")
    }
    assert [b'result="failed"' in one.content for one in pushed] == [False, True]
