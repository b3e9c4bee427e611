"""`concierge gateway | scheduler | forwarder`: one service by itself, as in a container of its own."""

import typer

from concierge_backends import __main__ as forwarder_main
from concierge_gateway import __main__ as gateway_main
from concierge_scheduler import __main__ as scheduler_main


def gateway(context: typer.Context) -> None:
    """Run the gateway alone: webhooks in, commands out."""
    gateway_main.main(["--config", str(context.obj.path)])


def scheduler(context: typer.Context) -> None:
    """Run the scheduler alone: commands in, Docker, outcomes out. Several may run: one holds a target at a time."""
    scheduler_main.main(["--config", str(context.obj.path)])


def forwarder(context: typer.Context) -> None:
    """Run the forwarder alone: snapshots from the bus to the monitoring system."""
    forwarder_main.main(["--config", str(context.obj.path)])
