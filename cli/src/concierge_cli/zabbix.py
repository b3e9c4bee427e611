"""`concierge zabbix`: sets a Zabbix server up for the loop."""

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer

from concierge_backends.zabbix import provision
from concierge_cli import output
from concierge_proto import errors, settings

app = typer.Typer(help="Zabbix.", no_args_is_help=True)


@app.callback()
def zabbix() -> None:
    """Set Zabbix up: templates, groups, hosts, triggers, the media type that signs, actions."""


Url = Annotated[str, typer.Option(help="The front end. [default: monitoring.zabbix.api_url]")]
User = Annotated[
    str, typer.Option(help="A super admin; the password is asked for or read from ZABBIX_PASSWORD.")
]
TokenFile = Annotated[Path | None, typer.Option(help="An API token of a super admin instead.")]
Source = Annotated[str, typer.Option(help="The gateway's source of kind zabbix whose secret signs.")]


@app.command()
def plan(
    context: typer.Context,
    url: Url = "",
    user: User = "Admin",
    token_file: TokenFile = None,
    source: Source = "",
    json: output.Json = False,
) -> None:
    """Show what `apply` would change; writes nothing."""
    _run(context, url, user, token_file, source, json=json, dry_run=True)


@app.command()
def apply(
    context: typer.Context,
    url: Url = "",
    user: User = "Admin",
    token_file: TokenFile = None,
    source: Source = "",
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
    changes = asyncio.run(
        provision.apply(
            config,
            url=url or config.monitoring.zabbix.api_url,
            user=user,
            password="" if token_file else _password(user),
            token=settings.read_secret(str(token_file), "--token-file")[0] if token_file else "",
            gateway_url=gateway_url(config),
            source=(name := source_of(config, source)),
            secret=settings.read_secret(
                config.gateway.sources[name].secret_file, f"gateway.sources.{name}.secret_file"
            )[0],
            dry_run=dry_run,
        ),
    )
    for change in changes:
        if json:
            output.emit(change)
        elif change.change != "none":
            output.console.print(f"{change.change:<8} {change.kind}: {change.name}")
    if not json:
        done = sum(change.change != "none" for change in changes)
        output.console.print(f"{done} of {len(changes)} {'would change' if dry_run else 'changed'}")


def source_of(config: settings.Settings, wanted: str) -> str:
    """Return the name of the gateway's Zabbix source; raise Permanent where it is not clear which."""
    found = [name for name, source in config.gateway.sources.items() if source.kind == "zabbix"]
    if wanted:
        found = [name for name in found if name == wanted]
    if len(found) != 1:
        raise errors.Permanent(
            f"gateway.sources: {len(found)} of kind zabbix{f' called {wanted}' if wanted else ''}; "
            "add [gateway.sources.zabbix] with kind and secret_file, or choose with --source",
        )
    return found[0]


def gateway_url(config: settings.Settings) -> str:
    return (config.gateway.public_url or f"http://{config.gateway.listen}").rstrip("/")


def _password(user: str) -> str:
    return os.environ.get("ZABBIX_PASSWORD") or typer.prompt(f"Password of {user}", hide_input=True, err=True)
