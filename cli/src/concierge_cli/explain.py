"""`concierge explain`: why something happened, and why nothing does."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, TypeVar

import msgspec
import typer
from rich.text import Text

from concierge_cli import events, output, reasons, show
from concierge_cli.place import Place
from concierge_proto import bus, errors, messages, settings, subjects
from concierge_proto.bus import found, journal, standing
from concierge_scheduler import state

Judged = TypeVar("Judged", messages.Decision, messages.Outcome)
Told = TypeVar("Told", reasons.Page, "Story")
_IGNORED = 3
"""Triggers that became no command, shown of a service."""


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one webhook, or of one command."""

    triggers: tuple[messages.Trigger, ...]
    decisions: tuple[messages.Decision, ...]
    outcomes: tuple[messages.Outcome, ...]
    unanswered: tuple[str, ...]
    """Commands that no scheduler has spoken of."""


def explain(
    context: typer.Context,
    what: Annotated[
        str,
        typer.Argument(
            metavar="SERVICE|COMMAND|WEBHOOK",
            help="A service; a command's id; a webhook: its problem (`zabbix/4711`), event id or trigger id. "
            "The beginning of an id will do.",
        ),
    ],
    since: Annotated[str, typer.Option(help="How far back to look for a command or webhook.")] = "7d",
    json: output.Json = False,
) -> None:
    """Show the gates that a command met, with their numbers, and which one decided.

    concierge explain web            what waits, and what the next step would meet: hold, cooldown, bounds, lease

    concierge explain zabbix/4711    what the gateway made of a webhook, and the scheduler of its commands
    """
    asyncio.run(_explain(context.obj, what, since, json=json))


async def _explain(place: Place, what: str, since: str, *, json: bool) -> None:
    if not what.strip():  # it begins every id
        raise errors.Malformed("nothing to explain: name a service, a command or a webhook")
    events.ago(since)
    async with place.bus() as link:
        file = place.load()
        labelled = await found.read(link, file)
        config = msgspec.structs.replace(file, services=found.merge(file, labelled))
        if what in config.services:
            page = reasons.page(await known(link, config, what), datetime.now(UTC))
            _tell(_sourced(page, labelled), _print_page, json=json)
            return
        story = await told(link, what, since)
    refused = [one.words for each in labelled.values() for one in each.refused if one.called == what]
    if refused:
        raise errors.Permanent(f"no service {what}: its labels are refused: {refused[0]}")
    if not (story.triggers or story.decisions):
        raise errors.Permanent(
            f"{what} is no service of {place.path}, and no command or webhook within {since}: "
            "`concierge events --json` shows the ids"
        )
    _tell(story, _print_story, json=json)


def _sourced(page: reasons.Page, labelled: Mapping[str, messages.Found]) -> reasons.Page:
    """Say where the policy comes from, where it is not the file."""
    for target, each in labelled.items():
        if page.service in each.services:
            called = each.services[page.service].called
            fact = f"policy: the labels of {called} on target {target}; `concierge services` shows each key"
            return msgspec.structs.replace(page, facts=(*page.facts, fact))
    return page


def _tell(made: Told, tell: Callable[[Told], None], *, json: bool) -> None:
    if json:
        output.emit(made)
    else:
        tell(made)


async def known(link: bus.Bus, config: settings.Settings, service: str) -> reasons.Known:
    """Return what the bus knows of a service."""
    policy = config.services[service]
    entry = await link.store("concierge_services").get(service)
    return reasons.Known(
        service=service,
        policy=policy,
        kind=config.targets[policy.target].kind,
        holder=policy.target in await standing.targets_held(link),
        heard=(await standing.heard(link, config)).get(service, ()),
        document=state.load(entry.value, service) if entry else None,
        ignored=await _ignored(link, service),
    )


async def _ignored(link: bus.Bus, service: str) -> tuple[messages.Trigger, ...]:
    heard = [event async for event in _events(link, f"{service}.trigger", "1h")]
    triggers = [one for one in heard if isinstance(one, messages.Trigger) and not one.commands]
    return tuple(triggers[-_IGNORED:])


async def told(link: bus.Bus, what: str, since: str) -> Story:
    """Return all that was said of a webhook or a command."""
    heard = [event async for event in _events(link, "*.*", since)]
    triggers = [one for one in heard if isinstance(one, messages.Trigger) and named(one, what)]
    ids = {command for one in triggers for command in one.commands}

    def meant(command: str) -> bool:
        return command in ids or (not triggers and bool(command) and command.startswith(what))

    decisions = _about(heard, messages.Decision, meant)
    answered = {one.command_id for one in decisions}
    causes = [one for one in heard if isinstance(one, messages.Trigger) and answered & {*one.commands}]
    return Story(
        triggers=tuple(triggers or causes),
        decisions=decisions,
        outcomes=_about(heard, messages.Outcome, meant),
        unanswered=tuple(sorted(ids - answered)),
    )


def named(trigger: messages.Trigger, what: str) -> bool:
    """Whether a trigger is meant: by its problem, its event id, or the beginning of its own id."""
    return what in {trigger.problem, trigger.event_id} or trigger.id.startswith(what)


async def _events(link: bus.Bus, which: str, since: str) -> AsyncIterator[messages.Event]:
    stream = link.history("EVENTS", f"{subjects.ROOT}.event.{which}", since=events.ago(since))
    async for delivery in stream:
        event = journal.read(delivery)
        if event is not None:
            yield event


def _about(
    heard: Iterable[messages.Event], kind: type[Judged], meant: Callable[[str], bool]
) -> tuple[Judged, ...]:
    return tuple(one for one in heard if isinstance(one, kind) and meant(one.command_id))


def _print_page(page: reasons.Page) -> None:
    output.console.print(Text(page.service, style="bold"))
    for fact in page.facts:
        output.console.print(f"  {fact}", markup=False)
    for decision in page.waiting:
        output.console.print(gates(decision, f"waits: {_title(decision)}"))
    if not page.waiting:
        output.console.print("  nothing waits")
    for decision in page.next:
        output.console.print(gates(decision, f"if it came now: {_title(decision)}"))


def _print_story(story: Story) -> None:
    for trigger in story.triggers:
        said = f": {trigger.detail}" if trigger.detail else ""
        output.console.print(f"webhook {trigger.problem}: {show.sentence(trigger)}{said}", markup=False)
    for decision in story.decisions:
        when = f"{decision.at.astimezone():%Y-%m-%d %H:%M:%S}"
        output.console.print(gates(decision, f"{when} {_title(decision)}"))
    for outcome in story.outcomes:
        output.console.print(show.sentence(outcome), markup=False)
    for command in story.unanswered:
        output.console.print(
            f"command {command}: no decision yet; does a scheduler hold its target? `concierge doctor` looks"
        )


def _title(decision: messages.Decision) -> str:
    command = decision.command
    asked = f"{command.verb} {command.amount or ''}".rstrip() if command else "a repair"
    until = f", until {decision.until.astimezone():%H:%M:%S}" if decision.until else ""
    detail = f" ({decision.detail})" if decision.detail else ""
    mark = f" [{decision.command_id[:16]}]" if decision.command_id else ""
    return f"{asked}{mark} → {decision.verdict}, {decision.reason}{detail}{until}"


def gates(decision: messages.Decision, title: str) -> Text:
    """Return a decision's gates as a table, with a mark at the one that decided."""
    text = Text(title, style="cyan")
    shut = next((gate for gate in decision.gates if gate.shut), None)
    for gate in decision.gates:
        mark = "  ◀ decided" if gate is shut else ""
        state = "SHUT" if gate.shut else "open"
        text.append(
            f"\n  {gate.name:<16} {state}  {gate.detail}{mark}", style="bold red" if gate is shut else "dim"
        )
    return text
