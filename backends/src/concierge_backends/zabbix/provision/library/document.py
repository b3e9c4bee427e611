"""All templates as one document, as `configuration.import` takes it."""

from collections.abc import Mapping

from concierge_backends.zabbix.provision.library import (
    application,
    container,
    enfield,
    examples,
    service,
    shapes,
)
from concierge_backends.zabbix.provision.library.shapes import Doc
from concierge_proto import settings

GROUP = "Templates/Concierge"


def build(services: Mapping[str, settings.Items] | None = None, *, seven: bool) -> Doc:
    """Return the shared templates, and one for the instances of each service."""
    templates = [
        enfield.build(GROUP, seven=seven),
        container.build(GROUP, seven=seven),
        application.build(GROUP),
        service.build(GROUP, seven=seven),
        examples.build(GROUP),
        *(application.build_of(name, GROUP, items) for name, items in (services or {}).items()),
    ]
    groups = [{"uuid": shapes.uuid("group", GROUP), "name": GROUP}]
    return {
        "zabbix_export": {
            "version": "7.0" if seven else "6.0",
            "template_groups" if seven else "groups": groups,
            "templates": templates,
            "triggers": [application.lost(seven=seven), examples.combined(), examples.upstream()],
        }
    }
