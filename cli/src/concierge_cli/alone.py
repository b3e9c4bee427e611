"""`concierge gateway | scheduler | forwarder`: one service by itself, as in a container of its own."""

import importlib

import typer

from concierge_cli.place import Place


def gateway(context: typer.Context) -> None:
    """Run the gateway alone: webhooks in, commands out."""
    _run("concierge_gateway", context.obj)


def scheduler(context: typer.Context) -> None:
    """Run the scheduler alone: commands in, Docker, outcomes out. Several may run: one holds a target at a time."""
    _run("concierge_scheduler", context.obj)


def forwarder(context: typer.Context) -> None:
    """Run the forwarder alone: snapshots from the bus to the monitoring system."""
    _run("concierge_backends", context.obj)


def _run(room: str, place: Place) -> None:
    """Import a room only now: `concierge status` does not wait for FastAPI."""
    importlib.import_module(f"{room}.__main__").main(["--config", str(place.path)])
