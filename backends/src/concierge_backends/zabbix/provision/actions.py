"""What Zabbix does of itself: an action a threshold, with steps; one a service, for new instances; one for tags."""

from concierge_backends.zabbix import problems
from concierge_backends.zabbix.provision import ledger, services
from concierge_backends.zabbix.provision.ledger import Doc
from concierge_backends.zabbix.provision.library import examples
from concierge_proto import settings

TRIGGERS, REGISTRATIONS = 0, 2
"""Event sources."""
BY_TRIGGER, BY_METADATA, BY_TAG = 2, 24, 26
"""Types of conditions."""
TAGGED = "Concierge: tagged triggers"
MATCHES = 8

ACTION = ledger.Kind("action", "action", "actionid", "name")


def name(service: str, threshold: str) -> str:
    return f"Concierge {service}: {threshold}"


def on_trigger(
    service: str, threshold: settings.Threshold, trigger_id: str, media_id: str, user_id: str
) -> Doc:
    """Say the threshold's action at each step, until the trigger is good again."""
    when = _when(BY_TRIGGER, 0, trigger_id)
    step = services.step(threshold)
    return _telling(name(service, threshold.name), when, threshold.action, step, media_id, user_id)


def on_tag(media_id: str, user_id: str) -> Doc:
    """Say what any trigger asks for that is tagged `concierge: custom`, in its tag `concierge.action`."""
    when = _when(BY_TAG, 0, examples.CUSTOM, value2="concierge")
    wanted = f'{{EVENT.TAGS."{problems.ACTION}"}}'
    return _telling(TAGGED, when, wanted, f"{services.LEAST_STEP}s", media_id, user_id)


def _telling(name: str, when: Doc, action: str, step: str, media_id: str, user_id: str) -> Doc:
    told: Doc = {
        "operationtype": 0,
        "opmessage": {
            "default_msg": 0,
            "subject": action,
            "message": "{EVENT.NAME}",
            "mediatypeid": media_id,
        },
        "opmessage_usr": [{"userid": user_id}],
    }
    return {
        "name": name,
        "eventsource": TRIGGERS,
        "status": 0,
        "esc_period": step,
        "pause_suppressed": 1,
        # A cancelled escalation would look like one more step.
        "notify_if_canceled": 0,
        "filter": when,
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


def _when(kind: int, operator: int, value: str, **more: str) -> Doc:
    condition = {"conditiontype": kind, "operator": operator, "value": value, **more}
    return {"evaltype": 0, "conditions": [condition]}


async def settle(book: ledger.Ledger, docs: list[Doc]) -> None:
    params = {
        "filter": {"name": [doc["name"] for doc in docs]},
        "selectFilter": "extend",
        "selectOperations": "extend",
        "selectRecoveryOperations": "extend",
        "selectUpdateOperations": "extend",
    }
    await book.settle(ACTION, docs, await book.find("action.get", params))


async def prune(book: ledger.Ledger, config: settings.Settings, *, asks: bool) -> None:
    """Delete the actions of our services' thresholds that are no longer wanted: they would go on."""
    for service, own in config.services.items():
        start = name(service, "")
        params = {"search": {"name": start}, "startSearch": True, "output": ["actionid", "name"]}
        kept = {name(service, threshold.name) for threshold in own.triggers if asks}
        found = await book.find("action.get", params)
        await book.remove(ACTION, [doc for doc in found if doc["name"] not in kept])
    if not asks:
        await book.remove(ACTION, await book.find("action.get", {"filter": {"name": [TAGGED]}}))
