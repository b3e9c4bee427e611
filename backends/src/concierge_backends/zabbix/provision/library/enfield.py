"""What a courier delivers in one shot: metrics of every kind by discovery, and how the delivery itself went."""

from concierge_backends.zabbix import keys, names
from concierge_backends.zabbix.provision import catalogue
from concierge_backends.zabbix.provision.library import shapes
from concierge_backends.zabbix.provision.library.shapes import Doc

NAME = "Concierge Enfield"
KINDS = ("gauge", "counter", "histogram", "meter", "timer", "health")
DROPPED = ("full", "old", "refused", "corrupt")
"""Why a courier drops a snapshot."""
ABOUT = (
    "One-shot metric snapshots, delivered by a courier: items are made by low-level discovery, a rule for each kind "
    "of metric. The delivery itself is a metric: milliseconds, -1 timed out, 0 failed."
)


def build(group: str, *, seven: bool) -> Doc:
    return shapes.template(
        NAME,
        group,
        ABOUT,
        items=items(),
        discovery_rules=[rule(NAME, kind, seven=seven) for kind in KINDS],
        tags=[shapes.tag("concierge", "enfield")],
        macros=[
            shapes.macro("COURIER.GOOD", "500", "ms: delivery is good again"),
            shapes.macro("COURIER.SLOW", "1000", "ms: delivery is called slow"),
            *shapes.choice(),
        ],
    )


def items() -> list[Doc]:
    return [
        shapes.item(
            NAME,
            names.ELAPSED,
            "Courier: delivery",
            units="!ms",
            description="From the start of its reading to Zabbix's answer. -1: timed out, 0: failed.",
            triggers=delivery_triggers(),
        ),
        shapes.item(
            NAME,
            "courier.collect",
            "Courier: reading",
            units="!ms",
            description="-1: timed out, 0: failed.",
        ),
        shapes.item(NAME, "courier.skipped", "Courier: collections skipped"),
        shapes.item(NAME, "courier.dropped", "Courier: snapshots dropped"),
        *(
            shapes.item(NAME, f"courier.dropped.{why}", f"Courier: snapshots dropped, {why}")
            for why in DROPPED
        ),
        shapes.item(NAME, "courier.unusable", "Courier: values that are no numbers"),
        shapes.item(NAME, "courier.delivered", "Courier: snapshots delivered"),
        shapes.item(NAME, "courier.retried", "Courier: messages that needed more than one try"),
        shapes.item(NAME, "courier.spooled", "Courier: snapshots on disk"),
        shapes.item(NAME, "courier.oldest", "Courier: age of the oldest snapshot that waits", units="s"),
    ]


def delivery_triggers() -> list[Doc]:
    elapsed = f"/{NAME}/{names.ELAPSED}"
    slow = shapes.hysteresis(f"last({elapsed})>0 and last({elapsed})<{{$COURIER.GOOD}}")
    return [
        shapes.trigger(NAME, "Delivery of metrics fails", f"last({elapsed})<=0", "warning"),
        shapes.trigger(
            NAME, "Delivery of metrics is slow", f"last({elapsed})>{{$COURIER.SLOW}}", "warning", **slow
        ),
    ]


def rule(template: str, kind: str, *, seven: bool) -> Doc:
    """Return the discovery rule of a kind of metric, with a prototype for each of its fields."""
    found = [prototype(template, kind, field) for field in catalogue.FIELDS[kind]]
    return shapes.rule(template, keys.rule(kind), f"Concierge: {kind}s", found, seven=seven)


def prototype(template: str, kind: str, field: str) -> Doc:
    return shapes.item(
        template,
        f"{kind}[{{#NAME}},{field}]",
        f"{{#NAME}} {field}",
        history="7d",
        trends="90d",
        tags=[shapes.tag("kind", kind)],
    )
