"""`concierge services`: every service's policy, and where each key of it comes from."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Annotated

import msgspec
import typer
from rich.text import Text

from concierge_cli import output, status
from concierge_cli.place import Place
from concierge_proto import errors, messages, settings
from concierge_proto.bus import found
from concierge_proto.settings import labels


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """One key of `[services.NAME]`."""

    value: object
    origin: str = msgspec.field(name="from")
    """`file`, `environment`, `label` or `default`."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One service."""

    service: str
    target: str
    kind: str
    called: str
    """What Docker calls it."""
    origin: str = msgspec.field(name="from")
    """`file` or `labels`."""
    keys: dict[str, Key]


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """One service whose labels are not listened to."""

    target: str
    refused: messages.Refused


def services(
    context: typer.Context,
    service: Annotated[str, typer.Argument(help="Only this one; without it, all.")] = "",
    json: output.Json = False,
) -> None:
    """Show every service's policy, and where each key comes from: the file, a label, or the default.

    concierge services

    concierge services web --json

    A target with `labels = true` listens to containers and swarm services that carry `concierge.enable=true`; labels
    that can't be listened to are shown with what is wrong.

    Exit code: 0 good, 3 some labels are refused.
    """
    rows, refused = asyncio.run(_read(context.obj))
    chosen = [row for row in rows if service in {"", row.service}]
    bad = [one for one in refused if service in {"", one.refused.called}]
    if not (chosen or bad) and service:
        raise errors.Malformed(f"no service {service!r}: there is {', '.join(row.service for row in rows)}")
    shown: list[Row | Refusal] = [*chosen, *bad]
    for one in shown:
        if json:
            output.emit(one)
        else:
            output.console.print(page(one))
    raise typer.Exit(status.DEGRADED if bad else 0)


async def _read(place: Place) -> tuple[list[Row], list[Refusal]]:
    file = place.load()
    labelled: dict[str, messages.Found] = {}
    if found.listening(file):
        async with place.bus() as link:
            labelled = await found.read(link, file)
    set_by = settings.origins(place.path)
    rows = [_row(file, name, service, set_by.get(name, {})) for name, service in file.services.items()]
    for each in labelled.values():
        rows += _labelled(file, each, {row.service for row in rows})
    refused = [Refusal(target=each.target, refused=one) for each in labelled.values() for one in each.refused]
    return rows, refused


def _labelled(file: settings.Settings, each: messages.Found, taken: set[str]) -> Iterator[Row]:
    for name, policy in found.policies(file, each).items():
        if name not in taken:
            keys = dict.fromkeys(labels.keys(each.services[name].labels), "label")
            yield _row(file, name, policy, keys, origin="labels")


def _row(
    file: settings.Settings,
    name: str,
    policy: settings.Service,
    set_by: Mapping[str, str],
    origin: str = "file",
) -> Row:
    return Row(
        service=name,
        target=policy.target,
        kind=file.targets[policy.target].kind,
        called=policy.name or name,
        origin=origin,
        keys={
            key: Key(value=value, origin=set_by.get(key, "default"))
            for key, value in msgspec.to_builtins(policy, enc_hook=_written).items()
        },
    )


def page(one: Row | Refusal) -> Text:
    """Return one service for people; of its defaults the plain ones."""
    if isinstance(one, Refusal):
        return Text(f"refused on {one.target}: {one.refused.words}", style="red")
    text = Text(one.service, style="bold")
    whose = f"labels of {one.called}" if one.origin == "labels" else "the file"
    text.append(f" on {one.target} ({one.kind}), from {whose}", style="default")
    for name, key in one.keys.items():
        if key.origin != "default" or name in labels.PLAIN:
            style = "dim" if key.origin == "default" else "default"
            text.append(f"\n  {name:<13} {_said(key.value):<24} {key.origin}", style=style)
    return text


def _written(value: object) -> object:
    """Return a duration or a size as it stands in the file."""
    if isinstance(value, settings.Duration):
        return f"{value:g}s"
    return int(value) if isinstance(value, settings.Size) else value


def _said(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
