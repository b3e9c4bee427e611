"""An operator's own command: it passes cooldowns and holds, and says who asked."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from concierge_proto import bus, errors, identity, messages, settings, subjects

LIFE = timedelta(minutes=5)
"""A command is never executed later than this."""
DIRECTIONS = ("both", "in", "out")
"""Of a hold."""
LONGEST = settings.Duration.parse("7d")
"""Of a hold: one without an end is a fault for somebody else."""


class Order(NamedTuple):
    """What to do; see `messages.Command`."""

    verb: messages.Verb
    amount: int = 0
    arguments: dict[str, str] | None = None


def command(
    config: settings.Settings, service: str, order: Order, *, owner: str, reason: str = "", key: str = ""
) -> messages.Command:
    """Return a command; raise Malformed for an unknown service.

    `key`: the same order with the same one by the same owner is the same command, however often it is stored;
    empty: a new one.
    """
    if service not in config.services:
        known = ", ".join(config.services) or "none"
        raise errors.Malformed(f"no service {service!r}: the configuration has {known}")
    now = datetime.now(UTC)
    same = (owner, key, service, *_words(order))
    return messages.Command(
        id=identity.derive("order", *same) if key else identity.mint(),
        service=service,
        target=config.services[service].target,
        verb=order.verb,
        amount=order.amount,
        arguments=order.arguments or {},
        correlation_id=identity.derive("order incident", *same) if key else identity.mint(),
        manual=True,
        reason=reason,
        owner=owner,
        issued_at=now,
        expires_at=now + LIFE,
    )


def _words(order: Order) -> list[str]:
    """Return what an order says; but for the end of a hold, which moves with the clock."""
    told = sorted((order.arguments or {}).items())
    return [order.verb, str(order.amount), *(f"{key}={value}" for key, value in told if key != "until")]


def hold(direction: str, length: str) -> Order:
    """Return the order to stop scaling; raise Malformed.

    Args:
        direction: One of DIRECTIONS.
        length: How long, e.g. `2h`.
    """
    if direction not in DIRECTIONS:
        raise errors.Malformed(f"direction {direction}: there is {', '.join(DIRECTIONS)}")
    try:
        seconds = settings.Duration.parse(length)
    except ValueError as error:
        raise errors.Malformed(f"for: {error}") from None
    if not 0 < seconds <= LONGEST:
        raise errors.Malformed(f"for {length}: between 1s and 7d; set it again when it ends")
    until = datetime.now(UTC) + timedelta(seconds=seconds)
    return Order("hold", arguments={"direction": direction, "until": until.isoformat()})


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
