"""`concierge config check`: everything that can be known to be wrong before it runs."""

import typer

from concierge_backends import registry
from concierge_cli import output
from concierge_gateway import actions
from concierge_proto import errors, metric, settings
from concierge_proto.bus import found as labelled

app = typer.Typer(help="The configuration.", no_args_is_help=True)


@app.callback()
def config() -> None:
    """The configuration."""


@app.command()
def check(context: typer.Context, json: output.Json = False) -> None:
    """Read the configuration and every secret it names; say what it means.

    Exit code 2 and the path of the first mistake when something is wrong.
    """
    found = context.obj.load()
    verify(found)
    if json:
        told = {"config": str(context.obj.path), "services": list(found.services), "ok": True}
        output.emit({**told, "labels": labelled.listening(found)})
        return
    output.console.print(f"{context.obj.path}: good")
    output.console.print(f"monitoring: {', '.join(found.monitoring.backends)}")
    for name, service in found.services.items():
        target = found.targets[service.target]
        output.console.print(
            f"service {name}: {service.min} to {service.max} instances on {service.target} ({target.kind}), "
            f"{len(service.triggers)} triggers, {len(service.rules)} rules",
        )
    for name in labelled.listening(found):
        most = found.targets[name].labels_max
        output.console.print(
            f"target {name}: labels may add services of up to {most} instances; `concierge services` shows them"
        )


def verify(found: settings.Settings) -> None:
    """Raise Permanent or Malformed with the path of the first mistake that the types cannot show."""
    for name in found.monitoring.backends:
        if name not in registry.backends(found):
            raise errors.Permanent(
                f"monitoring.backends: no backend {name!r}: there is {', '.join(registry.backends(found))}"
            )
    for name, source in found.gateway.sources.items():
        for field in ("secret_file", "token_file"):
            if path := getattr(source, field):
                settings.read_secret(path, f"gateway.sources.{name}.{field}")
    for name, operator in found.gateway.operators.items():
        settings.read_secret(operator.token_file, f"gateway.operators.{name}.token_file")
    actions.check(found)
    for name, service in found.services.items():
        _verify_service(f"services.{name}", service)


def _verify_service(path: str, service: settings.Service) -> None:
    for trigger in service.triggers:
        if trigger.metric not in {"heard", "running"}:
            _verify_metric(f"{path}.triggers: {trigger.name!r}", trigger.metric)
    for name in service.aggregates.metrics:
        _verify_metric(f"{path}.aggregates.metrics", name)


def _verify_metric(path: str, text: str) -> None:
    try:
        metric.parse(text)
    except errors.Malformed as error:
        raise errors.Malformed(f"{path}: {error}") from None
