"""What the commands have in common: where Zabbix is, who calls, and which of the gateway's sources it tells."""

import os
from pathlib import Path
from typing import Annotated

import typer

from concierge_backends.zabbix import api
from concierge_proto import errors, settings

Url = Annotated[str, typer.Option(help="The front end. [default: monitoring.zabbix.api_url]")]
User = Annotated[
    str, typer.Option(help="A super admin; the password is asked for or read from ZABBIX_PASSWORD.")
]
TokenFile = Annotated[Path | None, typer.Option(help="An API token of a super admin instead.")]
Cluster = Annotated[
    str, typer.Option(help="One of monitoring.clusters alone; its password may be in ZABBIX_PASSWORD_NAME.")
]
Source = Annotated[str, typer.Option(help="The gateway's source of kind zabbix whose secret signs.")]


def login(user: str, token_file: Path | None, cluster: str = "") -> api.Login:
    """Return who calls; asks for the password where none is given."""
    if token_file:
        return api.Login(token=settings.read_secret(str(token_file), "--token-file")[0])
    return api.Login(user=user, password=_password(user, cluster))


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
    return config.gateway.base_url


def _password(user: str, cluster: str) -> str:
    own = os.environ.get(f"ZABBIX_PASSWORD_{cluster.upper().replace('-', '_')}") if cluster else ""
    where = f" in cluster {cluster}" if cluster else ""
    return (
        own
        or os.environ.get("ZABBIX_PASSWORD")
        or typer.prompt(f"Password of {user}{where}", hide_input=True, err=True)
    )
