"""`concierge zabbix plan | apply | destroy`."""

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from concierge_backends.zabbix import provision
from concierge_cli import output
from concierge_cli.zabbix import options
from concierge_proto import errors, settings

WIDTH = 160
"""Characters of a value that are shown."""


def plan(
    context: typer.Context,
    url: options.Url = "",
    user: options.User = "Admin",
    token_file: options.TokenFile = None,
    source: options.Source = "",
    json: output.Json = False,
) -> None:
    """Show what `apply` would change; writes nothing."""
    _run(context, url, user, token_file, source, json=json, dry_run=True)


def apply(
    context: typer.Context,
    url: options.Url = "",
    user: options.User = "Admin",
    token_file: options.TokenFile = None,
    source: options.Source = "",
    json: output.Json = False,
) -> None:
    """Make it so, on an empty server or a used one. A second time changes nothing.

    concierge zabbix apply --url https://zabbix.example/ --user Admin
    """
    _run(context, url, user, token_file, source, json=json, dry_run=False)


def _run(
    context: typer.Context,
    url: str,
    user: str,
    token_file: Path | None,
    source: str,
    *,
    json: bool,
    dry_run: bool,
) -> None:
    config = context.obj.load()
    login = options.login(user, token_file)
    name = options.source_of(config, source)
    secret = config.gateway.sources[name].secret_file
    changes = asyncio.run(
        provision.apply(
            config,
            url=url or config.monitoring.zabbix.api_url,
            user=login.user,
            password=login.password,
            token=login.token,
            gateway_url=options.gateway_url(config),
            source=name,
            secret=settings.read_secret(secret, f"gateway.sources.{name}.secret_file")[0],
            dry_run=dry_run,
        ),
    )
    show(changes, json=json, dry_run=dry_run)


def destroy(
    context: typer.Context,
    url: options.Url = "",
    user: options.User = "Admin",
    token_file: options.TokenFile = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    json: output.Json = False,
) -> None:
    """Take away all that `apply` made, and the hosts of instances with their history; nothing else.

    What it would take is shown first, and asked about. Cut off, it goes on from there the next time.
    """
    config = context.obj.load()
    login = options.login(user, token_file)
    end = partial(provision.destroy, config, url=url or config.monitoring.zabbix.api_url, login=login)
    if not yes:
        _ask(asyncio.run(end(dry_run=True)), json=json)
    show(asyncio.run(end()), json=json, dry_run=False)


def _ask(changes: Sequence[provision.Change], *, json: bool) -> None:
    if json:
        raise errors.Permanent("with --json nobody is asked: add --yes, or look first without --json")
    show(changes, json=False, dry_run=True)
    if changes:
        typer.confirm("Delete them, with their history?", abort=True, err=True)


def show(changes: Sequence[provision.Change], *, json: bool, dry_run: bool) -> None:
    """Print what changed, or would, with what an update finds and wants."""
    for change in changes:
        if json:
            output.emit(change)
        elif change.change != "none":
            output.console.print(f"{change.change:<8} {change.kind}: {change.name}", markup=False)
            for field, wanted in change.after.items():
                output.console.print(
                    f"{'':10}{field}: {_difference(change.before[field], wanted)}", markup=False
                )
    if not json:
        done = sum(change.change != "none" for change in changes)
        output.console.print(f"{done} of {len(changes)} {'would change' if dry_run else 'changed'}")


def _difference(before: object, after: object) -> str:
    """Show a short value whole; of lists, what goes and what comes; of a long text, how long it is."""
    if isinstance(before, list) and isinstance(after, list):
        gone = [f"- {_short(one)}" for one in before if one not in after]
        come = [f"+ {_short(one)}" for one in after if one not in before]
        return "  ".join(gone + come)
    return f"{_short(before)} -> {_short(after)}"


def _short(value: object) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= WIDTH and "\n" not in text else f"{text[:30]!r}… ({len(text)} characters)"
