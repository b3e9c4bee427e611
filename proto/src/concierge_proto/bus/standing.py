"""How things stand, as the bus knows it: who is heard, what was said last, who holds the targets."""

from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from concierge_proto import bus, messages, settings, subjects
from concierge_proto.bus import journal


class Holder(NamedTuple):
    """Who acts on an endpoint."""

    target: str
    """The name that the holder's configuration has for it."""
    who: str


async def heard(link: bus.Bus, config: settings.Settings) -> dict[str, tuple[str, ...]]:
    """Return the instances of each service whose heartbeat is fresh and says 1."""
    found: dict[str, tuple[str, ...]] = {}
    now = datetime.now(UTC)
    async for delivery in link.history("PRESENCE", f"{subjects.ROOT}.heartbeat.*.*", latest=True):
        if delivery.is_marker:
            continue
        beat = delivery.read(messages.Heartbeat)
        service = config.services.get(beat.service)
        fresh = service and (now - delivery.stored_at).total_seconds() < service.fresh
        if beat.state and fresh:
            found[beat.service] = (*found.get(beat.service, ()), beat.instance)
    return found


async def latest(link: bus.Bus) -> dict[tuple[str, str], bus.Delivery]:
    """Return the last event of each service and kind."""
    return {
        (delivery.subject.split(".")[3], journal.kind(delivery)): delivery
        async for delivery in link.history("EVENTS", f"{subjects.ROOT}.event.*.*", latest=True)
    }


async def targets_held(link: bus.Bus) -> frozenset[str]:
    """Return the names of the targets that some scheduler holds: their commands are executed.

    An endpoint's key begins with its kind and a slash, and the value with the name that its holder has for it.
    """
    # nats-py's own list of keys leaves one out that is written meanwhile, as a lease is every 2 s
    leases = link.history("KV_concierge_leases", "$KV.concierge_leases.>", latest=True)
    return frozenset(
        [holder(lease.body).target async for lease in leases if lease.body and "/" in lease.subject]
    )


def holder(lease: bytes) -> Holder:
    """Read it from the value of an endpoint's lease."""
    target, _, rest = lease.decode(errors="replace").partition(" ")
    return Holder(target, rest.partition(" ")[0])


async def document(link: bus.Bus, service: str) -> dict[str, object]:
    """Return the scheduler's document of a service: open problems, hold, running change, cooldown stamps."""
    entry = await link.store("concierge_services").get(service)
    return msgspec.json.decode(entry.value, type=dict[str, object]) if entry else {}
