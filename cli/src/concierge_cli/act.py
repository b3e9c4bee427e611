"""`concierge restart`, `signal` and `resize`: an operator's own errands, waited for until they are proven."""

import asyncio
from typing import Annotated

import typer

from concierge_cli import order, output
from concierge_gateway import actions
from concierge_proto.bus import orders

_Service = Annotated[str, typer.Argument(help="As it is called in the configuration.")]
_Instance = Annotated[str, typer.Option(help="Only this one: its name, host name or id.")]
_Reason = Annotated[str, typer.Option(help="Why; it stands in the audit log.")]
_Wait = Annotated[bool, typer.Option(help="Wait for the outcome.")]
_Timeout = Annotated[str, typer.Option(help="How long to wait.")]


def restart(
    context: typer.Context,
    service: _Service,
    instance: _Instance = "",
    reason: _Reason = "",
    wait: _Wait = True,
    timeout: _Timeout = "10m",
    json: output.Json = False,
) -> None:
    """Restart every instance, one after the other, each only when the one before is well again.

    concierge restart web

    concierge restart web --instance web-3 --reason "leaks memory"

    A swarm restarts a service as a whole. Exit code: 0 converged, 1 refused or failed, 2 usage, 3 no outcome in time.
    """
    asked = order.command(context.obj.known(), service, said(f"restart {instance}"), reason)
    raise typer.Exit(asyncio.run(order.give(context.obj, asked, timeout, wait=wait, json=json)))


def signal(
    context: typer.Context,
    service: _Service,
    name: Annotated[str, typer.Argument(metavar="SIGNAL", help="HUP, USR1, TERM and so on.")],
    instance: _Instance = "",
    reason: _Reason = "",
    wait: _Wait = True,
    timeout: _Timeout = "1m",
    json: output.Json = False,
) -> None:
    """Send a signal to every instance, or to one.

    concierge signal web HUP

    Exit code: 0 sent, 1 refused or failed, 2 usage, 3 no outcome in time.
    """
    asked = order.command(context.obj.known(), service, said(f"signal {name} {instance}"), reason)
    raise typer.Exit(asyncio.run(order.give(context.obj, asked, timeout, wait=wait, json=json)))


def resize(
    context: typer.Context,
    service: _Service,
    cpus: Annotated[str, typer.Option(help="How many CPUs an instance may use, e.g. 1.5.")] = "",
    memory: Annotated[str, typer.Option(help="How much memory, e.g. 512m.")] = "",
    reason: _Reason = "",
    wait: _Wait = True,
    timeout: _Timeout = "10m",
    json: output.Json = False,
) -> None:
    """Change what every instance may use, within `[services.NAME.resize]`; instances that come later get the same.

    concierge resize web --cpus 1.5 --memory 512m

    Containers of compose are changed while they run; a swarm rolls the service.
    Exit code: 0 converged or nothing to do, 1 refused or failed, 2 usage, 3 no outcome in time.
    """
    sizes = [f"{key}={value}" for key, value in (("cpus", cpus), ("memory", memory)) if value]
    asked = order.command(context.obj.known(), service, said(" ".join(["resize", *sizes])), reason)
    raise typer.Exit(asyncio.run(order.give(context.obj, asked, timeout, wait=wait, json=json)))


def said(text: str) -> orders.Order:
    """Return the order that an action says, in the words of a webhook; raise Malformed."""
    return orders.Order(*actions.parse(text))
