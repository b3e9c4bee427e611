"""What Zabbix does of itself: one action a threshold, with steps; one a service, for new instances."""

from concierge_backends.zabbix.provision import ledger, services
from concierge_backends.zabbix.provision.ledger import Doc
from concierge_proto import settings

TRIGGERS, REGISTRATIONS = 0, 2
"""Event sources."""
BY_TRIGGER, BY_METADATA = 2, 24
"""Types of conditions."""
MATCHES = 8

ACTION = ledger.Kind("action", "action", "actionid", "name")


def name(service: str, threshold: str) -> str:
    return f"Concierge {service}: {threshold}"


def on_trigger(
    service: str, threshold: settings.Threshold, trigger_id: str, media_id: str, user_id: str
) -> Doc:
    """Say the threshold's action at each step, until the trigger is good again."""
    told: Doc = {
        "operationtype": 0,
        "opmessage": {
            "default_msg": 0,
            "subject": threshold.action,
            "message": "{EVENT.NAME}",
            "mediatypeid": media_id,
        },
        "opmessage_usr": [{"userid": user_id}],
    }
    return {
        "name": name(service, threshold.name),
        "eventsource": TRIGGERS,
        "status": 0,
        "esc_period": services.step(threshold),
        "pause_suppressed": 1,
        # A cancelled escalation would look like one more step.
        "notify_if_canceled": 0,
        "filter": _when(BY_TRIGGER, 0, trigger_id),
        "operations": [told | {"esc_period": "0", "esc_step_from": 1, "esc_step_to": 0}],
        "recovery_operations": [told],
        "update_operations": [told],
    }


def on_registration(service: str, group_id: str, template_id: str) -> Doc:
    return {
        "name": f"Concierge: new instances of {service}",
        "eventsource": REGISTRATIONS,
        "status": 0,
        "filter": _when(BY_METADATA, MATCHES, f"^concierge (.* )?service={service}( |$)"),
        "operations": [
            {"operationtype": 2},
            {"operationtype": 4, "opgroup": [{"groupid": group_id}]},
            {"operationtype": 6, "optemplate": [{"templateid": template_id}]},
        ],
    }


def _when(kind: int, operator: int, value: str) -> Doc:
    return {"evaltype": 0, "conditions": [{"conditiontype": kind, "operator": operator, "value": value}]}


async def settle(book: ledger.Ledger, docs: list[Doc]) -> None:
    params = {
        "filter": {"name": [doc["name"] for doc in docs]},
        "selectFilter": "extend",
        "selectOperations": "extend",
        "selectRecoveryOperations": "extend",
        "selectUpdateOperations": "extend",
    }
    await book.settle(ACTION, docs, await book.find("action.get", params))
