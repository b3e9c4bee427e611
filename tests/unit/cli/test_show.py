"""How events read; and that the published contract holds every one of them."""

from datetime import UTC, datetime

import msgspec

from concierge_cli import asyncapi, order, show
from concierge_proto import messages

AT = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)

OUTCOME = messages.Outcome(
    id="o",
    service="web",
    target="shop",
    result="converged",
    before=1,
    wanted=2,
    after=2,
    duration_ms=340,
    command_id="c",
    correlation_id="i",
    started_at=AT,
    at=AT,
    added=("web-2",),
)
DECISION = messages.Decision(
    id="d",
    service="web",
    target="shop",
    verdict="wait",
    reason="cooldown",
    detail="until 03:00:30",
    correlation_id="i",
    before=1,
    wanted=2,
    at=AT,
)
TRIGGER = messages.Trigger(
    id="t",
    source="zabbix",
    event_id="7",
    status="problem",
    service="web",
    name="High load",
    value="0.93",
    action="scale_out 1",
    received_at=AT,
    correlation_id="i",
    verdict="command",
)


def test_an_outcome() -> None:
    assert show.sentence(OUTCOME) == "web: 1 → 2 converged in 340 ms +web-2"


def test_a_decision() -> None:
    assert show.sentence(DECISION) == "web: wait 1 → 2, cooldown (until 03:00:30)"


def test_a_trigger() -> None:
    assert show.sentence(TRIGGER) == "web: PROBLEM 'High load' by zabbix, value 0.93 → scale_out 1"


def test_exit_codes_of_scale() -> None:
    assert order.verdict(OUTCOME) == 0
    assert order.verdict(msgspec.structs.replace(OUTCOME, result="timed_out")) == 1
    assert order.verdict(msgspec.structs.replace(OUTCOME, result="dry_run")) == 0
    assert order.verdict(msgspec.structs.replace(DECISION, verdict="refuse")) == 1
    assert order.verdict(msgspec.structs.replace(DECISION, verdict="nothing")) == 0
    assert order.verdict(DECISION) is None
    assert order.verdict(None) is None


def test_the_contract_names_every_message_and_its_stream() -> None:
    document = asyncapi.document()
    addresses = {channel["address"]: channel["x-jetstream"] for channel in document["channels"].values()}
    assert addresses["concierge.v1.command.{target}.{service}"] == "COMMANDS"
    assert addresses["concierge.v1.event.{service}.outcome"] == "EVENTS"
    assert addresses["concierge.v1.receipt.{service}.{instance}"] == ""
    schemas = document["components"]["schemas"]
    for message in document["components"]["messages"].values():
        assert message["payload"]["$ref"].rpartition("/")[2] in schemas
