"""What surrounds an application: its container's heartbeat and ping, its load and its resources."""

from concierge_backends.zabbix import names
from concierge_backends.zabbix.provision import catalogue
from concierge_backends.zabbix.provision.library import enfield, shapes
from concierge_backends.zabbix.provision.library.shapes import Doc

NAME = "Concierge container"
KINDS = ("device", "interface", "filesystem", "process")
AVAILABLE = "zabbix[host,active_agent,available]"
LOAD, MEMORY = "system.cpu.load[all,avg1]", "container.memory.pused"
ABOUT = (
    "A container: push (container.state, from heartbeats) and pull (container.ping: Zabbix asks the gateway, which "
    "asks the courier), load and resources from its cgroup. The ping needs the global macros "
    "{$CONCIERGE.GATEWAY}, e.g. http://10.0.0.5:8080, and {$CONCIERGE.PING.TOKEN}, and the macro {$CONCIERGE.SERVICE}."
)


def build(group: str, *, seven: bool) -> Doc:
    return shapes.template(
        NAME,
        group,
        ABOUT,
        items=[*liveness(seven=seven), *resources()],
        discovery_rules=[_rule(kind, seven=seven) for kind in KINDS],
        tags=[shapes.tag("concierge", "container")],
        macros=macros(),
    )


def liveness(*, seven: bool) -> list[Doc]:
    """Return push and pull; 7.0 has a third: whether it hears active checks, which the forwarder sends."""
    once = {"type": "DISCARD_UNCHANGED_HEARTBEAT", "parameters": ["1h"]}
    found = [
        shapes.count(
            NAME,
            names.STATE,
            "Container: state",
            description="1 running, 0 stopped.",
            triggers=_state_triggers(),
        ),
        shapes.text(NAME, names.REASON, "Container: why it stopped", preprocessing=[once]),
        ping(),
    ]
    if seven:
        found.append(
            shapes.count(NAME, AVAILABLE, "Container: active checks heard", type="INTERNAL", delay="30s")
        )
    return found


def ping() -> Doc:
    return shapes.count(
        NAME,
        names.PING,
        "Container: ping",
        type="HTTP_AGENT",
        delay="{$CONCIERGE.PING.EVERY}",
        description="The pull twin of container.state: 1 the courier answered, 0 it did not. No value: nobody could ask.",
        timeout="5s",
        url="{$CONCIERGE.GATEWAY}/v1/ping/{$CONCIERGE.SERVICE}/{HOST.HOST}",
        headers=[{"name": "Authorization", "value": "Bearer {$CONCIERGE.PING.TOKEN}"}],
    )


def resources() -> list[Doc]:
    triggers = {LOAD: [_load()], MEMORY: [_memory()], "container.memory.oom_kills": [_killed()]}
    return [
        shapes.item(NAME, key, f"Container: {key}", **_some(units=unit, triggers=triggers.get(key)))
        for key, unit in catalogue.CONTAINER.items()
    ]


def macros() -> list[Doc]:
    return [
        shapes.macro("CONCIERGE.PING.EVERY", "30s", "How often Zabbix asks the gateway for each instance"),
        shapes.macro("CONCIERGE.SILENT", "2m", "No heartbeat for so long: silent"),
        shapes.macro("CONTAINER.LOAD.HIGH", "5", "Load of 1 m, averaged over 5 m: high"),
        shapes.macro("CONTAINER.LOAD.OK", "4", "Load is good again"),
        shapes.macro("CONTAINER.MEMORY.HIGH", "90", "% of the limit for 5 m: nearly full"),
        shapes.macro("CONTAINER.MEMORY.OK", "80", "% of the limit: good again"),
        shapes.macro("FILESYSTEM.HIGH", "90", "% used for 5 m: nearly full"),
        shapes.macro("FILESYSTEM.OK", "85", "% used: good again"),
        *shapes.choice(),
    ]


def _state_triggers() -> list[Doc]:
    state = f"/{NAME}/{names.STATE}"
    # last()=1: a host that never spoke is not silent, and one that said goodbye is stopped.
    silent = f"nodata({state},{{$CONCIERGE.SILENT}})=1 and last({state})=1"
    return [
        shapes.trigger(NAME, "Container is silent", silent, "warning"),
        shapes.trigger(NAME, "Container is stopped", f"last({state})=0", "average"),
    ]


def _load() -> Doc:
    recovery = shapes.hysteresis(f"avg(/{NAME}/{LOAD},5m)<{{$CONTAINER.LOAD.OK}}")
    expression = f"avg(/{NAME}/{LOAD},5m)>{{$CONTAINER.LOAD.HIGH}}"
    return shapes.trigger(NAME, "Load of the container is high", expression, "warning", **recovery)


def _memory() -> Doc:
    recovery = shapes.hysteresis(f"max(/{NAME}/{MEMORY},5m)<{{$CONTAINER.MEMORY.OK}}")
    expression = f"min(/{NAME}/{MEMORY},5m)>{{$CONTAINER.MEMORY.HIGH}}"
    return shapes.trigger(NAME, "Memory of the container is nearly full", expression, "warning", **recovery)


def _killed() -> Doc:
    expression = f"change(/{NAME}/container.memory.oom_kills)>0"
    return shapes.trigger(NAME, "A process was killed for lack of memory", expression, "average")


def _rule(kind: str, *, seven: bool) -> Doc:
    found = enfield.rule(NAME, kind, seven=seven)
    for one in found["item_prototypes"]:
        if one["key"] == "filesystem[{#NAME},pused]":
            one["trigger_prototypes"] = [_filesystem(one["key"])]
    return found


def _filesystem(key: str) -> Doc:
    recovery = shapes.hysteresis(f"max(/{NAME}/{key},5m)<{{$FILESYSTEM.OK}}")
    expression = f"min(/{NAME}/{key},5m)>{{$FILESYSTEM.HIGH}}"
    return shapes.trigger(NAME, "{#NAME} is nearly full", expression, "warning", **recovery)


def _some(**fields: object) -> Doc:
    return {name: value for name, value in fields.items() if value}
