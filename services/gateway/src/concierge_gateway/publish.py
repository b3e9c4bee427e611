"""Stored or not: a claim that holds the messages, then the messages, each with the broker's word."""

import time

import msgspec

from concierge_gateway import metrics, rules
from concierge_proto import bus, envelope, errors, subjects

_PATIENCE = 3.0
"""Seconds in which a lost acknowledgement is asked for again; Zabbix waits 10 s for the whole answer."""
_LIMIT = 8.0
"""Seconds for everything: a claim takes six at most, three questions to NATS."""
_LAST = 2.0
"""Seconds that the last of several tries may still take."""


class Claim(msgspec.Struct, frozen=True):
    """What the first of a webhook's repeats became: every later one sends the same bytes."""

    id: str
    correlation_id: str
    verdict: str
    detail: str
    messages: list[bus.Message]


class Kept(msgspec.Struct, frozen=True):
    """What is stored now."""

    claim: Claim
    repeated: bool


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Claim).decode


class Shelf:
    """Stores what a trigger became, once, whoever tries and however often."""

    def __init__(self, link: bus.Bus) -> None:
        self._link = link
        self._seen = link.store("concierge_seen")

    async def keep(self, judged: rules.Judged) -> Kept:
        """Return once the trigger and its command are both stored.

        A repeat never stops at "seen": it sends the first one's messages again, for they may be missing.
        Raises Temporary (send it again) or Permanent.
        """
        if not self._link.connected:
            raise errors.Temporary("NATS is away: nothing can be stored")
        until = time.monotonic() + _LIMIT - _LAST
        claim = _claim(self._link, judged)
        kept = await self._claim(claim.id, claim)
        await self._link.publish_all(kept.claim.messages, min(_PATIENCE, until - time.monotonic()))
        if judged.command and not kept.repeated:
            metrics.commands(judged.command.service, judged.command.verb).inc()
        return kept

    async def reserve(self, name: str, judged: rules.Judged) -> Claim:
        """Put what a trigger became in the place of `name` too; return what stands there: whoever came first. Raises Temporary."""
        return (await self._claim(name, _claim(self._link, judged))).claim

    async def _claim(self, name: str, fresh: Claim) -> Kept:
        try:
            await self._seen.create(name, _pack(fresh))
        except bus.Conflict:
            found = await self._seen.get(name)
            if found is None:
                raise errors.Temporary(f"the claim of {name} is just going") from None
            return Kept(_unpack(found.value), repeated=True)
        return Kept(fresh, repeated=False)


def _claim(link: bus.Bus, judged: rules.Judged) -> Claim:
    trigger, command, service = judged
    trace = envelope.trace()
    packed = [
        link.pack(
            subjects.event(service, "trigger"),
            trigger,
            id=trigger.id,
            correlation_id=trigger.correlation_id,
            traceparent=trace,
        )
    ]
    if command:
        packed.append(
            link.pack(
                subjects.command(command.target, command.service),
                command,
                id=command.id,
                correlation_id=command.correlation_id,
                causation_id=trigger.id,
                expires_at=command.expires_at,
                traceparent=trace,
            )
        )
    return Claim(trigger.id, trigger.correlation_id, trigger.verdict, trigger.detail, packed)
