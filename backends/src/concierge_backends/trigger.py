"""A trigger's ids, derived from what it is about: the same webhook gives the same ids."""

from typing import Any, Literal

from concierge_proto import identity, messages


def make(
    source: str,
    event_id: str,
    status: Literal["problem", "resolved"],
    step: str,
    **rest: Any,
) -> messages.Trigger:
    """Return the trigger with its id and its incident's; `rest`: the other fields."""
    return messages.Trigger(
        id=identity.derive("trigger", source, event_id, status, step),
        correlation_id=identity.derive("incident", source, event_id),
        source=source,
        event_id=event_id,
        status=status,
        step=step,
        **rest,
    )
