"""Why a service moves or stands still, read from its document and its presence. Pure: no clock, no I/O."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

from concierge_proto import messages, settings
from concierge_scheduler import bounds, decide, deeds, errands, fold, state
from concierge_scheduler.targets import port


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What the desk knows of a service without asking Docker."""

    service: str
    policy: settings.Service
    kind: str
    holder: bool
    """A scheduler holds its target."""
    heard: tuple[str, ...]
    document: state.State | None
    """None: no scheduler has ever written one."""
    ignored: tuple[messages.Trigger, ...] = ()
    """The newest triggers that became no command, oldest first."""


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be told of one service."""

    service: str
    holder: bool
    facts: tuple[str, ...]
    waiting: tuple[messages.Decision, ...]
    """The commands that wait, as they are judged now; the leading one first."""
    next: tuple[messages.Decision, ...]
    """What a step out and a step in would meet, where nothing waits."""


def page(known: Known, now: datetime) -> Page:
    """Return the page of a service."""
    waiting = tuple(_judged(known, command, now) for command in _waiting(known.document))
    steps = () if waiting else tuple(_judged(known, _step(known, verb, now), now) for verb in _STEPS)
    return Page(
        service=known.service,
        holder=known.holder,
        facts=tuple(facts(known, now)),
        waiting=waiting,
        next=steps,
    )


def facts(known: Known, now: datetime) -> list[str]:
    """Return what stands around the gates, one sentence each."""
    policy = known.policy
    return [
        _holder(known),
        f"bounds: {policy.min} to {policy.max} instances",
        *(["dry run: what is decided is told, and nothing touched"] if policy.dry_run else []),
        *(
            _stored(known, known.document, now)
            if known.document
            else ["no scheduler has seen this service yet"]
        ),
        *(
            f"trigger {one.name!r} ({one.problem}) {_clock(one.received_at)}: {_answer(one)}"
            for one in known.ignored
        ),
    ]


def _stored(known: Known, found: state.State, now: datetime) -> Iterator[str]:
    yield f"instances: {_count(found)} when the scheduler looked last, {_heard(known)}"
    if found.running:
        began = _clock(found.running.started_at)
        yield f"under way: {found.running.words} since {began}"
    if found.obstacle:
        yield f"can't have {known.policy.max} instances: {found.obstacle}"
    for hold in (found.hold, found.drift):
        if hold and now < hold.until:
            yield f"hold: {fold.describe(hold)}"
    if found.size:
        yield f"size of every instance: {deeds.said(found.size)}"
    for key, at in found.open.items():
        yield f"problem {key} is open, its last command came {_clock(at)}"


def _holder(known: Known) -> str:
    where = f"target {known.policy.target} ({known.kind})"
    if known.holder:
        return f"{where}: a scheduler holds it"
    return (
        f"{where}: no scheduler holds it, commands wait on the bus; start `concierge scheduler` or `concierge up`; "
        "if one runs, `concierge doctor` says what keeps it away"
    )


def _count(found: state.State) -> str:
    return "none known" if found.count is None else str(found.count)


def _heard(known: Known) -> str:
    return f"{len(known.heard)} heard: {', '.join(known.heard)}" if known.heard else "none heard"


def _answer(trigger: messages.Trigger) -> str:
    return f"no command, {trigger.verdict}" + (f" ({trigger.detail})" if trigger.detail else "")


def _clock(at: datetime) -> str:
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S}"


def _waiting(found: state.State | None) -> list[messages.Command]:
    """Return the commands that wait, the leading one first and errands last."""
    if found is None:
        return []
    leader = fold.leading(found)
    numbers = sorted((wish.command for wish in found.wishes), key=lambda command: command is not leader)
    return [*numbers, *(wish.command for wish in found.errands)]


_STEPS: tuple[messages.Verb, ...] = ("scale_out", "scale_in")


def _step(known: Known, verb: messages.Verb, now: datetime) -> messages.Command:
    return messages.Command(
        id="",
        service=known.service,
        target=known.policy.target,
        verb=verb,
        amount=1,
        correlation_id="",
        issued_at=now,
        expires_at=now + timedelta(minutes=5),
    )


def _judged(known: Known, command: messages.Command, now: datetime) -> messages.Decision:
    found = known.document or state.State(service=known.service)
    judge = errands.judge if command.verb in deeds.VERBS else decide.judge
    return judge(known.policy, found, _view(known), now, command)


def _view(known: Known) -> bounds.View | None:
    """Return what the scheduler saw last; a rollout that somebody else began is known to it alone."""
    if known.document is None or known.document.count is None:
        return None
    count = known.document.count
    instances = tuple(
        port.Instance(id=str(n), name=str(n), running=True, healthy=True) for n in range(1, count + 1)
    )
    observed = port.Observed(service=known.service, wanted=count, instances=instances)
    return bounds.View(observed=observed, heard=min(count, len(known.heard)))
