"""`concierge prometheus`: what Prometheus and Alertmanager need for the loop."""

from typing import Annotated

import typer

from concierge_backends.prometheus import rules
from concierge_cli.zabbix import options
from concierge_proto import errors

app = typer.Typer(help="Prometheus.", no_args_is_help=True)


@app.callback()
def prometheus() -> None:
    """Print the rules and snippets that close the loop with Prometheus and Alertmanager."""


@app.command("rules")
def print_rules(
    context: typer.Context,
    part: Annotated[str, typer.Option(help="rules, receiver or scrape; all of them with `all`.")] = "all",
    source: Annotated[str, typer.Option(help="The gateway's source of kind alertmanager.")] = "alertmanager",
) -> None:
    """Print alert rules for every trigger of the configuration, and the receiver that calls the gateway.

    concierge prometheus rules --part rules > /etc/prometheus/rules/concierge.yml
    """
    config = context.obj.load()
    parts = {
        "rules": lambda: rules.alerts(config),
        "receiver": lambda: rules.receiver(
            f"{options.gateway_url(config)}/webhooks/{source}", _token_file(config, source)
        ),
        "scrape": lambda: rules.scrape(config),
    }
    if part != "all" and part not in parts:
        raise errors.Malformed(f"--part {part}: there is {', '.join(parts)} and all")
    for name in parts if part == "all" else [part]:
        typer.echo(parts[name]())


def _token_file(config, source: str) -> str:  # type: ignore[no-untyped-def]
    found = config.gateway.sources.get(source)
    return found.token_file if found and found.token_file else "/etc/alertmanager/concierge-token"
