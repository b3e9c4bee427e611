"""An operator's own command: it passes cooldowns and holds, and says who asked."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from concierge_proto import bus, errors, identity, messages, settings, subjects

LIFE = timedelta(minutes=5)
"""A command is never executed later than this."""


class Order(NamedTuple):
    """What to do; see `messages.Command`."""

    verb: messages.Verb
    amount: int = 0
    arguments: dict[str, str] | None = None


def command(
    config: settings.Settings, service: str, order: Order, *, owner: str, reason: str = ""
) -> messages.Command:
    """Return a new command; raise Malformed for an unknown service."""
    if service not in config.services:
        known = ", ".join(config.services) or "none"
        raise errors.Malformed(f"no service {service!r}: the configuration has {known}")
    now = datetime.now(UTC)
    return messages.Command(
        id=identity.mint(),
        service=service,
        target=config.services[service].target,
        verb=order.verb,
        amount=order.amount,
        arguments=order.arguments or {},
        correlation_id=identity.mint(),
        manual=True,
        reason=reason,
        owner=owner,
        issued_at=now,
        expires_at=now + LIFE,
    )


async def store(link: bus.Bus, command: messages.Command) -> None:
    """Return once the broker has it; raises Temporary or Permanent."""
    message = link.pack(
        subjects.command(command.target, command.service),
        command,
        id=command.id,
        correlation_id=command.correlation_id,
        expires_at=command.expires_at,
    )
    await link.publish(message)
