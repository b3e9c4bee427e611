"""One webhook, from its first byte to 202.

size and type -> who speaks -> how often -> decode -> which step -> judge -> store -> 202

2xx means stored, and only that. Whatever else happens is a sentence: 4xx when the same again would fail
again, 503 (or 429) when it would not.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from concierge_gateway import answers, intake, ledger, metrics, publish, rules, sources, steps
from concierge_proto import errors, identity, messages, settings

log = logging.getLogger(__name__)

CROWD = 1024
"""Webhooks in hand at one time; what comes beyond is asked to come again, before its body is read."""
_AT_ONCE = 16
"""Triggers of one webhook that are stored side by side."""


class Webhooks:
    """Receives for every source."""

    def __init__(
        self,
        config: settings.Settings,
        known: Mapping[str, sources.Source],
        shelf: publish.Shelf,
        book: ledger.Ledger,
    ) -> None:
        self._config = config
        self._sources = known
        self._shelf = shelf
        self._book = book
        self._in_hand = 0

    async def receive(self, request: Request) -> Response:
        """Answer one request; never raises."""
        began = time.perf_counter()
        source = self._sources.get(request.path_params["source"])
        self._in_hand += 1
        try:
            verdicts = await self._listen(source, request)
        except answers.Refusal as refusal:
            response, outcome = answers.refused(refusal), str(refusal.status)
        else:
            response, outcome = answers.accepted(verdicts, source.kind if source else ""), "202"
        finally:
            self._in_hand -= 1
        metrics.requests(source.name if source else "_", outcome).inc()
        metrics.SECONDS.observe(time.perf_counter() - began)
        return response

    async def _listen(self, source: sources.Source | None, request: Request) -> list[answers.Verdict]:
        if source is None:
            raise answers.Refusal(
                404, "no such source: it needs a [gateway.sources.NAME] in the configuration"
            )
        if self._in_hand > CROWD:
            raise answers.later(503, f"{CROWD} webhooks are in hand already")
        headers = intake.head(request)
        body = await intake.read(request, headers, self._config.gateway.max_body, intake.PATIENCE)
        source.guard.check(headers, body, time.time())
        wait = source.bucket.take()
        if wait:
            raise answers.later(
                source.busy, f"source {source.name} passes its rate of {source.settings.rate:g}/s", wait
            )
        triggers = _decode(source, body)
        try:
            return await self._accept_all(triggers)
        except errors.Temporary as error:
            raise answers.later(503, f"not stored: {error}", error.delay) from error
        except errors.TooLarge as error:
            raise answers.Refusal(413, f"not stored: {error}") from error
        except errors.Permanent as error:
            log.error("%s: the bus refuses: %s", source.name, error)
            raise answers.later(503, f"not stored: {error}", 30) from error

    async def _accept_all(self, triggers: list[messages.Trigger]) -> list[answers.Verdict]:
        if len(triggers) == 1:
            return [await self._arrive(triggers[0])]  # nearly always: no task of its own
        verdicts: list[answers.Verdict] = []
        failed: list[BaseException] = []
        full: set[str] = set()  # services that take no more now: they must not keep the others' alerts out
        for first in range(0, len(triggers), _AT_ONCE):
            some = [trigger for trigger in triggers[first : first + _AT_ONCE] if trigger.service not in full]
            ends = await asyncio.gather(*map(self._arrive, some), return_exceptions=True)
            verdicts += [end for end in ends if isinstance(end, answers.Verdict)]
            failed += [end for end in ends if isinstance(end, BaseException)]
            full |= {
                trigger.service
                for trigger, end in zip(some, ends, strict=True)
                if isinstance(end, errors.Temporary)
            }
        if failed:
            raise next((error for error in failed if isinstance(error, errors.Temporary)), failed[0])
        return verdicts

    async def _arrive(self, trigger: messages.Trigger) -> answers.Verdict:
        with self._book.arriving(trigger.problem):
            return await self.accept(self.placed(trigger))

    def placed(self, trigger: messages.Trigger) -> messages.Trigger:
        """Return the trigger as the step that it is now."""
        kind = self._config.gateway.sources[trigger.source].kind
        if trigger.verdict == "test":
            return msgspec.structs.replace(trigger, id=identity.mint())  # each test is an event of its own
        if steps.own(trigger, kind):
            return trigger
        every = rules.repeat_every(trigger, self._config.services.get(trigger.service))
        return steps.ticked(trigger, every, self._book.since(trigger), trigger.received_at)

    async def accept(self, trigger: messages.Trigger, past: rules.Past | None = None) -> answers.Verdict:
        """Judge a trigger by its past (None: what the ledger knows) and store what it became.

        Raises Temporary or Permanent.
        """
        if not self._book.read.is_set():
            raise errors.Temporary("starting: the log of earlier problems is still being read")
        judged = await self._judge(trigger, past)
        kept = await self._shelf.keep(judged)
        claim = kept.claim
        if kept.repeated:
            self._book.note(_first(judged.trigger, claim))
            return _verdict(claim, "duplicate", f"stored before, as {claim.verdict}: {claim.detail}")
        self._book.note(judged.trigger)
        return _verdict(claim, claim.verdict, claim.detail)

    async def _judge(self, trigger: messages.Trigger, past: rules.Past | None) -> rules.Judged:
        now, before = datetime.now(UTC), past or self._book.past(trigger.problem)
        judged = rules.judge(trigger, self._config, before, now)
        if past is None and judged.command and not before.known and await self._repaired(trigger, judged):
            return rules.judge(trigger, self._config, rules.Past(repaired=True), now)
        return judged

    async def _repaired(self, trigger: messages.Trigger, judged: rules.Judged) -> bool:
        """Return whether another gateway serves a problem whose first webhook comes late; else let nobody do it from now on."""
        kind = self._config.gateway.sources[trigger.source].kind
        if not steps.overdue(trigger, kind):
            return False
        place = steps.repaired(trigger, kind).id
        first = await self._shelf.reserve(place, judged)
        return first.id == place and first.verdict == "command"


def _first(repeat: messages.Trigger, claim: publish.Claim) -> messages.Trigger:
    """Return a trigger as what was stored before it; a repair may find its late webhook there."""
    step = repeat.step if claim.id == repeat.id else ""
    return msgspec.structs.replace(repeat, step=step, verdict=claim.verdict, detail=claim.detail)


def _verdict(claim: publish.Claim, decision: str, reason: str) -> answers.Verdict:
    return answers.Verdict(id=claim.id, correlation_id=claim.correlation_id, decision=decision, reason=reason)


def _decode(source: sources.Source, body: bytes) -> list[messages.Trigger]:
    try:
        return source.read(body, source.name, datetime.now(UTC))
    except errors.Malformed as error:
        raise answers.Refusal(400, str(error)) from None
    except Exception as error:  # a reader's own mistake must not look like ours, nor be retried for ever
        log.exception("%s: the reader of %s fails on a body of %d bytes", source.name, source.kind, len(body))
        raise answers.Refusal(400, f"body: cannot be read as {source.kind}: {type(error).__name__}") from None
