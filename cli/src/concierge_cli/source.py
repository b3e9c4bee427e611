"""`concierge source`: who may call the gateway, and how they prove it."""

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from concierge_cli import output, sourcefile
from concierge_cli.zabbix import options
from concierge_proto import errors, identity, settings, signature, subjects

if TYPE_CHECKING:
    import httpx

app = typer.Typer(help="Sources of webhooks.", no_args_is_help=True)

BELIEVED = 400
"""What a source with `fields` answers to a body that has none of them."""

Name = Annotated[str, typer.Argument(help="NAME of [gateway.sources.NAME]; it is called at /webhooks/NAME.")]


@app.callback()
def source() -> None:
    """Add, list, rotate and test those who may call the gateway."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One source."""

    name: str
    kind: str
    url: str
    secrets: int
    """HMAC keys that count."""
    tokens: int
    """Bearer tokens that count."""
    services: tuple[str, ...]
    problem: str = ""
    """Why nobody would be believed."""


@app.command("list")
def list_all(context: typer.Context, json: output.Json = False) -> None:
    """Show every source: where it posts, what proves it, whom it may speak for."""
    config = context.obj.load()
    rows = [_row(config, name) for name in config.gateway.sources]
    if not rows and not json:
        output.console.print("no sources: `concierge source add NAME --kind KIND` adds one")
    for row in rows:
        if json:
            output.emit(row)
        else:
            output.console.print(_line(row))


@app.command()
def add(
    context: typer.Context,
    name: Name,
    kind: Annotated[str, typer.Option(help=f"Who calls: {', '.join(sourcefile.KINDS)}.")],
    services: Annotated[str, typer.Option(help="Only these, with commas.  [default: all]")] = "",
    secret_file: Annotated[
        Path | None,
        typer.Option(help="Where its secret goes.  [default: secrets/NAME beside the configuration]"),
    ] = None,
    json: output.Json = False,
) -> None:
    """Write a new secret into a file, and the source into the configuration.

    concierge source add zabbix --kind zabbix
    """
    path, config = context.obj.path, context.obj.load()
    subjects.name(name, "source")
    if name in config.gateway.sources:
        raise errors.Malformed(
            f"source {name} stands in {path} already: `concierge source rotate {name}` renews it"
        )
    if kind not in sourcefile.KINDS:
        raise errors.Malformed(f"--kind {kind}: there is {', '.join(sourcefile.KINDS)}")
    file = (secret_file or path.resolve().parent / "secrets" / name).resolve()
    only = [word.strip() for word in services.split(",") if word.strip()]
    sourcefile.add(path, sourcefile.table(name, kind, file, only), file)
    _tell(context.obj.load(), name, file, json=json)


@app.command()
def rotate(
    context: typer.Context,
    name: Name,
    finish: Annotated[
        bool, typer.Option("--finish", help="The sender uses the new one: end the old ones.")
    ] = False,
    json: output.Json = False,
) -> None:
    """Put a new secret beside the old one; with --finish, end the old one. A running gateway follows at once.

    concierge source rotate zabbix, then give the sender the new one (`concierge zabbix apply` does it for Zabbix),
    then concierge source rotate zabbix --finish
    """
    found = _find(context.obj.load(), name)
    file = Path(found.secret_file or found.token_file)
    lines = settings.read_secret(str(file), f"gateway.sources.{name}")
    sourcefile.replace(file, "\n".join(lines[:1] if finish else [sourcefile.secret(), *lines]) + "\n")
    _tell(context.obj.load(), name, file, json=json)


@app.command("test")
def try_out(
    context: typer.Context,
    name: Name,
    url: Annotated[
        str, typer.Option(help="The gateway.  [default: gateway.public_url, or gateway.listen]")
    ] = "",
    json: output.Json = False,
) -> None:
    """Call the gateway as this source would, with something that does nothing, and show its answer.

    Exit code: 0 believed and stored, 1 refused, 2 the gateway can't be reached.
    """
    config = context.obj.load()
    found = _find(config, name)
    asked = f"{url.rstrip('/') or options.gateway_url(config)}/webhooks/{name}"
    body = msgspec.json.encode(harmless(found))
    answer = asyncio.run(_post(asked, body, _proven(name, found, body)))
    told = {"source": name, "url": asked, "status": answer.status_code, **_said(answer)}
    if json:
        output.emit(told)
    else:
        output.console.print(
            f"{asked}: {told['status']} {told.get('decision', '')}: {told.get('reason', '')}"
        )
    # paths of somebody else's JSON can't be guessed: 400 says that the proof was believed
    raise typer.Exit(0 if answer.is_success or (found.fields and answer.status_code == BELIEVED) else 1)


def harmless(found: settings.Source) -> dict[str, Any]:
    """Return a body of that kind that can do nothing: it names no service."""
    name = f"concierge source test {identity.mint()[-8:]}"
    if found.kind == "zabbix":
        return {"event_id": "{EVENT.ID}", "event_value": "{EVENT.VALUE}", "subject": name}
    if found.kind == "generic":
        return {"event_id": name, "status": "problem", "name": name}
    labels, now = {"alertname": name}, datetime.now(UTC)
    alert = {"status": "firing", "labels": labels, "startsAt": now, "fingerprint": name[-8:]}
    return {"version": "4", "alerts": [alert]}


def _find(config: settings.Settings, name: str) -> settings.Source:
    if name not in config.gateway.sources:
        known = ", ".join(config.gateway.sources) or "none"
        raise errors.Malformed(f"no source {name!r}: the configuration has {known}")
    return config.gateway.sources[name]


def _row(config: settings.Settings, name: str) -> Row:
    from concierge_gateway import authenticate  # noqa: PLC0415 - see up.py

    found, problem = config.gateway.sources[name], ""
    keys: list[bytes] = []
    tokens: list[str] = []
    try:
        keys, tokens = authenticate.proofs(name, found, [])
    except errors.Permanent as error:
        problem = str(error)
    return Row(
        name=name,
        kind=found.kind,
        url=f"{options.gateway_url(config)}/webhooks/{name}",
        secrets=len(keys),
        tokens=len(tokens),
        services=found.services,
        problem=problem,
    )


def _line(row: Row) -> str:
    proof = " and ".join(
        f"{count} {what}{'s' if count > 1 else ''}"
        for count, what in ((row.secrets, "signing key"), (row.tokens, "bearer token"))
        if count
    )
    about = f"speaks for {', '.join(row.services) or 'all services'}"
    return f"{row.name} ({row.kind}) at {row.url}, {row.problem or proof}, {about}"


def _tell(config: settings.Settings, name: str, file: Path, *, json: bool) -> None:
    row = _row(config, name)
    if json:
        output.emit({**msgspec.to_builtins(row), "secret_file": str(file)})
    else:
        output.console.print(_line(row))
        output.console.print(f"its secret is the first line of {file}; give it to the sender")


def _proven(name: str, found: settings.Source, body: bytes) -> dict[str, str]:
    from concierge_gateway import authenticate  # noqa: PLC0415 - see up.py

    keys, tokens = authenticate.proofs(name, found, [])
    if keys:
        return signature.headers(keys[0], identity.mint(), int(time.time()), body)
    return {"authorization": f"Bearer {tokens[0]}"}


async def _post(url: str, body: bytes, proof: dict[str, str]) -> "httpx.Response":
    import httpx  # noqa: PLC0415 - see up.py

    headers = {"content-type": "application/json", **proof}
    try:
        async with httpx.AsyncClient(timeout=30) as http:
            return await http.post(url, content=body, headers=headers)
    except httpx.HTTPError as error:
        reason = str(error) or type(error).__name__
        raise errors.Permanent(f"{url}: {reason}; does `concierge up` or `concierge gateway` run?") from None


def _said(answer: "httpx.Response") -> dict[str, Any]:
    try:
        return dict(answer.json())
    except ValueError:
        return {"reason": f"no answer of a gateway: {answer.text[:200]!r}"}
