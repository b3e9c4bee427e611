"""`concierge zabbix plan | apply | destroy`."""

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from concierge_backends.zabbix import clusters, provision
from concierge_cli import output
from concierge_cli.zabbix import changes, options
from concierge_proto import errors, settings


def plan(
    context: typer.Context,
    url: options.Url = "",
    user: options.User = "Admin",
    token_file: options.TokenFile = None,
    source: options.Source = "",
    cluster: options.Cluster = "",
    json: output.Json = False,
) -> None:
    """Show what `apply` would change; writes nothing."""
    _run(context, url, user, token_file, source, cluster, json=json, dry_run=True)


def apply(
    context: typer.Context,
    url: options.Url = "",
    user: options.User = "Admin",
    token_file: options.TokenFile = None,
    source: options.Source = "",
    cluster: options.Cluster = "",
    json: output.Json = False,
) -> None:
    """Make it so, on an empty server or a used one. A second time changes nothing.

    With --cluster a further one of monitoring.clusters, whose problems ask for nothing: it only hears the same values.

    concierge zabbix apply --url https://zabbix.example/ --user Admin
    """
    _run(context, url, user, token_file, source, cluster, json=json, dry_run=False)


def _run(
    context: typer.Context,
    url: str,
    user: str,
    token_file: Path | None,
    source: str,
    cluster: str,
    *,
    json: bool,
    dry_run: bool,
) -> None:
    config = clusters.of(context.obj.load(), cluster)
    login = options.login(user, token_file, cluster)
    name = options.source_of(config, source)
    secret = config.gateway.sources[name].secret_file
    found = asyncio.run(
        provision.apply(
            config,
            url=url or config.monitoring.zabbix.api_url,
            user=login.user,
            password=login.password,
            token=login.token,
            gateway_url=options.gateway_url(config),
            source=name,
            secret=settings.read_secret(secret, f"gateway.sources.{name}.secret_file")[0],
            asks=not cluster,
            dry_run=dry_run,
        ),
    )
    changes.show(found, json=json, dry_run=dry_run)


def destroy(
    context: typer.Context,
    url: options.Url = "",
    user: options.User = "Admin",
    token_file: options.TokenFile = None,
    cluster: options.Cluster = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    json: output.Json = False,
) -> None:
    """Take away all that `apply` made, and the hosts of instances with their history; nothing else.

    What it would take is shown first, and asked about. Cut off, it goes on from there the next time.
    """
    config = clusters.of(context.obj.load(), cluster)
    login = options.login(user, token_file, cluster)
    end = partial(provision.destroy, config, url=url or config.monitoring.zabbix.api_url, login=login)
    if not yes:
        _ask(asyncio.run(end(dry_run=True)), json=json)
    changes.show(asyncio.run(end()), json=json, dry_run=False)


def _ask(found: Sequence[provision.Change], *, json: bool) -> None:
    if json:
        raise errors.Permanent("with --json nobody is asked: add --yes, or look first without --json")
    changes.show(found, json=False, dry_run=True)
    if found:
        typer.confirm("Delete them, with their history?", abort=True, err=True)
