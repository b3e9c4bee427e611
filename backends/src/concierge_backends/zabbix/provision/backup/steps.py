"""Actions, without what only their own server knows of them."""

from typing import Any

from concierge_backends.zabbix.provision.ledger import Doc

BY_TRIGGER = "0"
"""The event source whose actions escalate."""
ALL_INVOLVED = "11"
"""The operation that tells whoever was told before, by the media they were told by."""
CUSTOM = "3"
"""How conditions are joined: by a formula of their letters."""
_OPERATIONS = ("operations", "recovery_operations", "update_operations")
_ESCALATION = frozenset({"esc_period", "esc_step_from", "esc_step_to", "evaltype", "opconditions"})
_TOP = ("esc_period", "pause_suppressed", "pause_symptoms", "notify_if_canceled")
_OWN = frozenset({"actionid", "operationid", "eval_formula"})


def bare(action: Doc) -> Doc:
    """Return an action as `action.create` takes it."""
    kept = {field: value for field, value in action.items() if field not in {*_OPERATIONS, "filter"}}
    if action["eventsource"] != BY_TRIGGER:
        kept = {field: value for field, value in kept.items() if field not in _TOP}
    steps = {part: [_step(action, part, one) for one in action.get(part, ())] for part in _OPERATIONS}
    return {**_filled(kept), "filter": _filter(action["filter"]), **_filled(steps)}


def _filter(found: Doc) -> Doc:
    letters = found["evaltype"] == CUSTOM
    hidden = set() if letters else {"formulaid"}
    conditions = [
        {field: value for field, value in one.items() if field not in hidden and value != ""}
        for one in found["conditions"]
    ]
    doc = {"evaltype": found["evaltype"], "conditions": conditions}
    return doc | ({"formula": found["formula"]} if letters else {})


def _step(action: Doc, part: str, found: Doc) -> Doc:
    hidden = set() if part == "operations" and action["eventsource"] == BY_TRIGGER else _ESCALATION
    doc: Doc = _filled({field: value for field, value in found.items() if field not in hidden})
    if doc["operationtype"] == ALL_INVOLVED and "opmessage" in doc:
        doc["opmessage"] = {name: value for name, value in doc["opmessage"].items() if name != "mediatypeid"}
    return doc


def _filled(value: Any) -> Any:
    """Return it without empty fields and without ids of its own."""
    if isinstance(value, list):
        return [_filled(one) for one in value]
    if not isinstance(value, dict):
        return value
    inner = {field: _filled(one) for field, one in value.items() if field not in _OWN}
    return {field: one for field, one in inner.items() if one not in ("", [], {})}
