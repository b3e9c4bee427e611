"""What the operator can say. Every command is a file of its own."""

import logging
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from concierge_cli import (
    act,
    alone,
    asyncapi,
    check,
    doctor,
    events,
    explain,
    hold,
    incident,
    init,
    prometheus,
    scale,
    services,
    source,
    status,
    up,
    zabbix,
)
from concierge_cli.demo import command
from concierge_cli.place import Place

app = typer.Typer(
    name="concierge",
    help="Turns the monitoring system you already run into the orchestrator of your containers.\n\n"
    "Start with `concierge init`, then `concierge up`.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"concierge {version('concierge-cli')}")
        raise typer.Exit


@app.callback()
def concierge(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            envvar="CONCIERGE_CONFIG",
            help="The configuration.  [default: ./concierge.toml, then /etc/concierge/concierge.toml]",
        ),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more on stderr.")] = False,
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
        datefmt="%H:%M:%S",
    )
    for noisy in ("httpx", "httpcore", "uvicorn.error", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    context.obj = Place(config)


app.command()(init.init)
app.command()(up.up)
app.command()(status.status)
app.command()(services.services)
app.command(context_settings={"ignore_unknown_options": True})(scale.scale)
app.command()(act.restart)
app.command()(act.signal)
app.command()(act.resize)
app.command()(hold.hold)
app.command()(hold.release)
app.command()(events.events)
app.command()(incident.incident)
app.command()(explain.explain)
app.command()(doctor.doctor)
app.add_typer(check.app, name="config")
app.add_typer(source.app, name="source")
app.add_typer(zabbix.app, name="zabbix")
app.add_typer(prometheus.app, name="prometheus")
app.command()(asyncapi.asyncapi)
app.command()(alone.gateway)
app.command()(alone.scheduler)
app.command()(alone.forwarder)
app.command(context_settings={"ignore_unknown_options": True})(command.demo)
