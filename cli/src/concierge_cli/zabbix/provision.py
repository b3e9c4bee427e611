"""`concierge zabbix plan | apply`."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

import typer

from concierge_backends.zabbix import provision
from concierge_cli import output
from concierge_cli.zabbix import options
from concierge_proto import settings


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


def show(changes: Iterable[provision.Change], *, json: bool, dry_run: bool) -> None:
    """Print what changed, or would."""
    for change in changes:
        if json:
            output.emit(change)
        elif change.change != "none":
            output.console.print(f"{change.change:<8} {change.kind}: {change.name}")
    if not json:
        every = list(changes)
        done = sum(change.change != "none" for change in every)
        output.console.print(f"{done} of {len(every)} {'would change' if dry_run else 'changed'}")
