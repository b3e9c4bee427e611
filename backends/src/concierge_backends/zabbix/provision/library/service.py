"""A service as one thing: delivered counts, and beside them Zabbix's own, in forms that 6.0 and 7.0 know."""

from concierge_backends.zabbix import names, outcomes
from concierge_backends.zabbix.provision.library import container, shapes
from concierge_backends.zabbix.provision.library.shapes import Doc

NAME = "Concierge service"
ABOUT = (
    "Aggregates over the fresh instances of a service. service.* is delivered by Concierge and is there within "
    "milliseconds; foreach.* is calculated by Zabbix from the instances' own items."
)


def build(group: str, *, seven: bool) -> Doc:
    return shapes.template(
        NAME,
        group,
        ABOUT,
        items=[*delivered(), *aggregated(seven=seven)],
        tags=[shapes.tag("concierge", "service")],
        macros=macros(),
    )


def delivered() -> list[Doc]:
    return [
        shapes.count(NAME, names.HEARD, "Instances heard"),
        shapes.count(NAME, names.RUNNING, "Instances running"),
        shapes.count(NAME, outcomes.WANTED, "Instances wanted"),
        shapes.text(NAME, outcomes.OUTCOME, "Last change"),
        shapes.item(NAME, outcomes.REACTION, "From the webhook to convergence", units="s"),
    ]


def aggregated(*, seven: bool) -> list[Doc]:
    """Return the counts, which are 0 where nobody is heard, and an average, which then has no value."""
    states = over(names.STATE)
    return [
        shapes.calculated(
            NAME, "foreach.heard", "Instances heard (calculated)", f"count(max_foreach({states}))"
        ),
        shapes.calculated(
            NAME,
            "foreach.running",
            "Instances running (calculated)",
            f"sum(min_foreach({states}))",
            preprocessing=[or_zero(seven=seven)],
        ),
        shapes.calculated(
            NAME,
            "foreach.cpu.load",
            "Load of an instance: avg of all (calculated)",
            f"avg(avg_foreach({over(container.LOAD)}))",
        ),
    ]


def over(key: str, group: str = "SERVICE_HOSTGROUP") -> str:
    """Return the arguments of a `*_foreach`: an item of all hosts of a group, no older than `{$FRESH}`."""
    return f'/*/{key}?[group="{{${group}}}"],{{$FRESH}}'


def or_zero(*, seven: bool) -> Doc:
    """Return the step that reads 0 where nothing can be calculated: right for counts, wrong for averages."""
    return {
        "type": "CHECK_NOT_SUPPORTED",
        "parameters": ["-1" if seven else ""],
        "error_handler": "CUSTOM_VALUE",
        "error_handler_params": "0",
    }


def macros() -> list[Doc]:
    return [
        shapes.macro("FRESH", "30s", "An instance silent for longer is not counted"),
        shapes.macro("SERVICE_HOSTGROUP", "", "Host group of the service's instances"),
    ]
