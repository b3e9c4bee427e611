"""`concierge zabbix export | import`."""

import asyncio
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from concierge_backends.zabbix import provision
from concierge_backends.zabbix.provision.backup import restore
from concierge_cli import output
from concierge_cli.zabbix import changes, options
from concierge_proto import errors


def export(
    context: typer.Context,
    url: options.Url = "",
    user: options.User = "Admin",
    token_file: options.TokenFile = None,
    everything: Annotated[
        bool,
        typer.Option("--all", help="All templates, groups, hosts, media types and actions, not ours alone."),
    ] = False,
) -> None:
    """Print a back-up as JSON: what is ours, with names for ids, so that another server can take it.

    Users and secrets are in none.

    concierge zabbix export > concierge-zabbix.json
    """
    config = context.obj.load()
    login = options.login(user, token_file)
    saved = asyncio.run(
        provision.export(
            config, url=url or config.monitoring.zabbix.api_url, login=login, everything=everything
        )
    )
    typer.echo(msgspec.json.format(msgspec.json.encode(saved), indent=1).decode())


def restoring(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="What `export` printed.")],
    url: options.Url = "",
    user: options.User = "Admin",
    token_file: options.TokenFile = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    json: output.Json = False,
) -> None:
    """Bring a back-up into this server or another. What is there is set right; nothing is deleted.

    A back-up of 6.0 goes into 7.0, one of 7.0 not into 6.0. Then `apply` writes the secrets.

    concierge zabbix import --url https://other.example/ concierge-zabbix.json
    """
    config = context.obj.load()
    saved = restore.read(_read(file))
    login = options.login(user, token_file)
    found = asyncio.run(
        provision.restore(
            config, saved, url=url or config.monitoring.zabbix.api_url, login=login, dry_run=dry_run
        )
    )
    changes.show(found, json=json, dry_run=dry_run)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise errors.Permanent(f"cannot read {file}: {error.strerror}") from error
