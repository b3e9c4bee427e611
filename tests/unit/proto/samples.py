"""One message of each kind, with every field set."""

from datetime import UTC, datetime, timedelta

import msgspec

from concierge_proto import messages

NOON = datetime(2026, 3, 1, 12, 0, 0, 250_000, UTC)
NOON_NS = 1_772_366_400_250_000_000

COMMAND = messages.Command(
    id="command-1",
    service="web",
    target="shop",
    verb="scale_out",
    amount=2,
    arguments={"direction": "out"},
    problem="zabbix/4711",
    trigger_id="trigger-1",
    correlation_id="incident-1",
    manual=True,
    reason="load über 80 %",
    owner="zabbix",
    issued_at=NOON,
    expires_at=NOON + timedelta(minutes=5),
)

ALL: tuple[msgspec.Struct, ...] = (
    messages.Snapshot(
        service="web",
        instance="web-1",
        time_ns=NOON_NS,
        seq=7,
        boot="b0",
        interval_s=10.0,
        blocks=(
            messages.Block(
                kind="timer",
                fields=("count", "p95"),
                names=("shop.checkout", "shop.search"),
                values=(12, 0.25, 3, None),
                source="dropwizard",
            ),
            messages.Block(kind="item", fields=("value",), names=("courier.elapsed",), values=(41,)),
        ),
        sources=(messages.SourceReport(name="dropwizard", elapsed_ms=-1, error="timed out"),),
    ),
    messages.Discovery(
        service="web",
        instance="web-1",
        time_ns=NOON_NS,
        boot="b0",
        kinds={"timer": ("shop.checkout", "shop.search")},
        facts={"image": "shop:1.2"},
    ),
    messages.Heartbeat(
        service="web",
        instance="web-1",
        time_ns=NOON_NS,
        boot="b0",
        state=0,
        reason="signal SIGTERM",
        exit_code=143,
        interval_s=5.0,
        version="0.1.0",
        health="failing",
        maintenance=True,
    ),
    messages.Ping(service="web", instance="web-1", boot="b0", state=1, time_ns=NOON_NS),
    messages.Receipt(
        service="web",
        instance="web-1",
        snapshot_id="web-1-b0-7",
        backend="zabbix",
        primary=True,
        processed=3,
        failed=6,
        total=9,
        elapsed_ms=17,
        detail="1 value has no item",
        parked=3,
        undiscovered=1,
        refused=2,
    ),
    COMMAND,
    messages.Trigger(
        id="trigger-1",
        source="zabbix",
        event_id="4711",
        status="problem",
        step="12:00:00",
        service="web",
        name="High load",
        severity=4,
        tags={"scope": "capacity"},
        value="0.93",
        action="scale_out 2",
        url="https://zabbix.example/4711",
        started_at=NOON - timedelta(seconds=3),
        received_at=NOON,
        correlation_id="incident-1",
        verdict="command",
        detail="by its own action",
        commands=("command-1",),
    ),
    messages.Decision(
        id="decision-1",
        service="web",
        target="shop",
        verdict="wait",
        reason="cooldown",
        detail="12 s to go",
        command_id="command-1",
        correlation_id="incident-1",
        before=1,
        wanted=3,
        until=NOON + timedelta(seconds=12),
        at=NOON,
        command=COMMAND,
        gates=(messages.Gate(name="cooldown", shut=True, detail="12 s to go"),),
    ),
    messages.Outcome(
        id="outcome-1",
        service="web",
        target="shop",
        result="partial",
        before=1,
        wanted=3,
        after=2,
        duration_ms=1800,
        command_id="command-1",
        correlation_id="incident-1",
        started_at=NOON,
        at=NOON + timedelta(seconds=2),
        detail="1 of 2 became healthy",
        added=("shop-web-2",),
        removed=("shop-web-9",),
        lease=5,
        verb="restart",
    ),
    messages.InstanceChange(
        service="web", instance="web-1", change="stopped", boot="b0", reason="exited", exit_code=1, at=NOON
    ),
    messages.Control(
        service="_",
        what="lease taken",
        detail="after 9 s",
        owner="scheduler-2",
        correlation_id="incident-1",
        at=NOON,
    ),
    messages.DeadLetter(
        id="letter-1",
        subject="concierge.v1.command.shop.web",
        reason="not a command",
        body=b"\x00garbage\xff",
        headers={"ce-id": "command-9"},
        deliveries=5,
        consumer="shop",
        at=NOON,
    ),
    messages.Found(
        target="shop",
        services={
            "shop-web": messages.Labelled(
                called="shop_web", labels={"concierge.enable": "true", "concierge.max": "5"}
            )
        },
        refused=(
            messages.Refused(
                called="api", label="concierge.max", value="many", reason="write a whole number"
            ),
        ),
        at=NOON,
    ),
)
