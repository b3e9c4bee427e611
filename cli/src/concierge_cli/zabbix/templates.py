"""`concierge zabbix templates`."""

from enum import StrEnum
from typing import Annotated

import typer

from concierge_backends.zabbix.provision.library import document, yaml
from concierge_cli import output


class Version(StrEnum):
    SIX = "6.0"
    SEVEN = "7.0"


def templates(
    version: Annotated[Version, typer.Option(help="Of the server that imports them.")],
    json: Annotated[bool, typer.Option("--json", help="JSON instead of YAML; Zabbix imports both.")] = False,
) -> None:
    """Print the templates, for a server that is set up by hand. `apply` imports them by itself.

    concierge zabbix templates --version 7.0 > templates.yaml
    """
    built = document.build(seven=version is Version.SEVEN)
    if json:
        output.emit(built)
    else:
        typer.echo(yaml.dump(built), nl=False)
