"""`concierge zabbix doctor`: says what is broken on the road from a value to the webhook, and what helps."""

import asyncio
import time
from collections.abc import Sequence
from typing import Annotated

import typer

from concierge_backends.zabbix import api, clusters
from concierge_backends.zabbix import doctor as clinic
from concierge_cli import output
from concierge_cli.zabbix import options
from concierge_proto import settings

STYLES = {"ok": "green", "warning": "yellow", "broken": "red"}


def doctor(
    context: typer.Context,
    url: options.Url = "",
    user: options.User = "Admin",
    token_file: options.TokenFile = None,
    source: options.Source = "",
    cluster: options.Cluster = "",
    trial: Annotated[
        bool,
        typer.Option(
            "--trial/--look",
            help="Try it with a value, on an item, a trigger and an action that are removed again; or only look.",
        ),
    ] = True,
    patience: Annotated[float, typer.Option(help="Seconds to wait for what Zabbix does of itself.")] = 30.0,
    json: output.Json = False,
) -> None:
    """Walk the whole road, one line a check: ok, warning, or broken with the remedy.

    Trapper port, API, the token's rights, each service's host, items, triggers and actions, the media type and its
    user; then a value of its own, from the trapper port to the gateway's 202, on which nobody acts.
    Further clusters (monitoring.clusters) hear the same values and ask for nothing: their ports, API, tokens, hosts and
    items are looked at too. Exit code 1 when something is broken.

    concierge zabbix doctor --user Admin
    """
    config = context.obj.load()
    name = options.source_of(config, source)
    file = config.gateway.sources[name].secret_file
    first = clinic.Patient(
        config,
        url=url or config.monitoring.zabbix.api_url,
        hook=f"{options.gateway_url(config)}/webhooks/{name}",
        secret=settings.read_secret(file, f"gateway.sources.{name}.secret_file")[0],
        clock=time.time,
        patience=patience,
    )
    alone = cluster or token_file  # a token opens one cluster
    chosen = [cluster] if alone else ["", *config.monitoring.clusters]
    patients = [_of(first, one, url if one == cluster else "") for one in chosen]
    logins = [options.login(user, token_file, one.cluster) if one.url else api.Login() for one in patients]
    if not asyncio.run(_each(patients, logins, trial=trial, json=json)):
        raise typer.Exit(1)


def _of(first: clinic.Patient, cluster: str, url: str) -> clinic.Patient:
    """Return the same configuration as a further cluster sees it; raise Permanent where there is none of that name."""
    if not cluster:
        return first
    config = clusters.of(first.config, cluster)
    return first._replace(config=config, url=url or config.monitoring.zabbix.api_url, cluster=cluster)


async def _each(
    patients: Sequence[clinic.Patient], logins: Sequence[api.Login], *, trial: bool, json: bool
) -> bool:
    found = [
        await _walk(one, login, trial=trial, json=json) for one, login in zip(patients, logins, strict=True)
    ]
    return all(found)


async def _walk(patient: clinic.Patient, login: api.Login, *, trial: bool, json: bool) -> bool:
    """Print each finding as it comes; return whether nothing is broken."""
    whole = True
    async for found in clinic.walk(patient, login, tried=trial):
        whole = whole and found.state != "broken"
        if json:
            output.emit(found)
        else:
            _show(found)
    return whole


def _show(found: clinic.Finding) -> None:
    style = STYLES[found.state]
    where = f"{found.cluster}: " if found.cluster else ""
    output.console.print(f"[{style}]{found.state:<8}[/] ", end="", markup=True)
    output.console.print(f"{where}{found.check}: {found.detail}", markup=False)
    if found.remedy:
        output.console.print(f"         → {found.remedy}", markup=False)
