"""Three triggers to learn from; link the template to a service's host and set its macros, and they scale.

The tag `concierge` with the value `custom` is what the action "Concierge: tagged triggers" looks for, and
`concierge.action` is what it asks for: an administrator's own trigger with both tags scales as well.
Where no instance is heard the items have no value, and nothing fires.
"""

from concierge_backends.zabbix import problems
from concierge_backends.zabbix.provision.library import container, service, shapes
from concierge_backends.zabbix.provision.library.shapes import Doc

NAME = "Concierge examples"
CUSTOM = "custom"
CPU, MEMORY, OWN, UPSTREAM = "example.cpu.load", "example.memory", "example.requests", "example.upstream"
REQUESTS = "meter[requests,m1_rate]"
ABOUT = (
    "Examples of triggers that scale: a combined condition, a prediction, a comparison with the service upstream. "
    "Link it to a service's host, and set {$UPSTREAM_HOSTGROUP} for the last of them."
)


def build(group: str) -> Doc:
    return shapes.template(
        NAME,
        group,
        ABOUT,
        items=items(),
        macros=[
            shapes.macro("EXAMPLE.LOAD", "4", "Load of an instance"),
            shapes.macro("EXAMPLE.MEMORY", "80", "% of the memory of an instance"),
            shapes.macro("EXAMPLE.SHARE", "0.8", "What the service answers of what upstream passes on"),
            shapes.macro(
                "EXAMPLE.VALUES", "12", "One value is no reason: so many of the last 3 m (it has 18)"
            ),
            shapes.macro("FRESH", "30s", "An instance silent for longer is not counted"),
            shapes.macro("SERVICE_HOSTGROUP", "", "Host group of the service's instances"),
            shapes.macro("UPSTREAM_HOSTGROUP", "", "Host group of the instances that pass requests on to it"),
        ],
    )


def items() -> list[Doc]:
    return [
        shapes.calculated(
            NAME, CPU, "Example: load of an instance", f"avg(avg_foreach({service.over(container.LOAD)}))"
        ),
        shapes.calculated(
            NAME,
            MEMORY,
            "Example: memory of an instance",
            f"avg(avg_foreach({service.over(container.MEMORY)}))",
            units="%",
            triggers=[predictive()],
        ),
        shapes.calculated(
            NAME, OWN, "Example: requests answered", f"sum(avg_foreach({service.over(REQUESTS)}))"
        ),
        shapes.calculated(
            NAME,
            UPSTREAM,
            "Example: requests passed on",
            f"sum(avg_foreach({service.over(REQUESTS, 'UPSTREAM_HOSTGROUP')}))",
        ),
    ]


def combined() -> Doc:
    """Return a trigger on two metrics at once: neither alone is a reason."""
    cpu, memory = f"/{NAME}/{CPU}", f"/{NAME}/{MEMORY}"
    return _scaling(
        "Example: load and memory are both high",
        f"count({cpu},3m)>={{$EXAMPLE.VALUES}} and min({cpu},3m)>{{$EXAMPLE.LOAD}} and min({memory},3m)>{{$EXAMPLE.MEMORY}}",
        shapes.hysteresis(f"max({cpu},3m)<{{$EXAMPLE.LOAD}}*0.5 or max({memory},3m)<{{$EXAMPLE.MEMORY}}*0.8"),
    )


def predictive() -> Doc:
    """Return a trigger on what will be. A prediction from two points is none: twenty minutes must be known."""
    memory = f"/{NAME}/{MEMORY}"
    return _scaling(
        "Example: memory will be full within ten minutes",
        f"count({memory},30m)>=120 and timeleft({memory},30m,100)<10m",
        shapes.hysteresis(f"timeleft({memory},30m,100)>30m"),
    )


def upstream() -> Doc:
    """Return a comparison with the service before it: it passes on more than ours answers."""
    own, passed = f"/{NAME}/{OWN}", f"/{NAME}/{UPSTREAM}"
    return _scaling(
        "Example: upstream passes on more than is answered",
        f"count({own},3m)>={{$EXAMPLE.VALUES}} and max({own},3m)<min({passed},3m)*{{$EXAMPLE.SHARE}}",
        shapes.hysteresis(f"min({own},3m)>max({passed},3m)*{{$EXAMPLE.SHARE}}"),
    )


def _scaling(name: str, expression: str, recovery: Doc) -> Doc:
    tags = [shapes.tag("concierge", CUSTOM), shapes.tag(problems.ACTION, "scale_out 1")]
    return shapes.trigger(NAME, name, expression, "high", tags=tags, **recovery)
