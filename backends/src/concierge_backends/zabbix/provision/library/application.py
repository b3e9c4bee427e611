"""An instance of an application: its metrics, its container, and when it is called lost."""

from concierge_backends.zabbix import names
from concierge_backends.zabbix.provision.library import container, enfield, shapes
from concierge_backends.zabbix.provision.library.shapes import Doc
from concierge_proto import settings

NAME = "Concierge instance"
ABOUT = (
    "An application in a container. It is called lost when push and pull are both silent: no heartbeat, and nobody "
    "answers the gateway's ping. Where nobody could ask (the bus or the gateway is away) nothing is called lost."
)


def build(group: str) -> Doc:
    parents = (enfield.NAME, container.NAME)
    return shapes.template(NAME, group, ABOUT, parents, tags=[shapes.tag("concierge", "instance")])


def build_of(service: str, group: str, items: settings.Items) -> Doc:
    """Return the template of a service's instances: its tag `service` is on every problem, on 6.0 too."""
    chosen = {
        "METRICS.MATCHES": (items.matches, "Metrics with such names get items"),
        "METRICS.NOT_MATCHES": (items.skips, "Metrics with such names get none"),
    }
    return shapes.template(
        names.instance_template(service),
        group,
        parents=[NAME],
        tags=[shapes.tag("concierge", "instance"), shapes.tag("service", service)],
        macros=[
            shapes.macro("CONCIERGE.SERVICE", service, "What the gateway knows it by"),
            *(shapes.macro(name, text, about) for name, (text, about) in chosen.items() if text),
        ],
    )


def lost(*, seven: bool) -> Doc:
    """Return the trigger in the form of its version: 7.0 must hear no active checks either; 6.0 knows none."""
    state, ping = f"/{NAME}/{names.STATE}", f"/{NAME}/{names.PING}"
    parts = [f"nodata({state},{{$CONCIERGE.SILENT}})=1", f"last({state})=1"]
    parts.append(f"max({ping},{{$CONCIERGE.SILENT}})=0")
    if seven:
        parts.append(f"last(/{NAME}/{container.AVAILABLE})<>1")
    return shapes.trigger(NAME, "Container is lost", " and ".join(parts), "high")
