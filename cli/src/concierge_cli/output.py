"""JSON for programs, tables for people."""

from typing import Annotated

import msgspec
import typer
from rich.console import Console

Json = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]

console = Console(highlight=False, soft_wrap=True, markup=False)


def emit(record: object) -> None:
    """Print one JSON object on one line."""
    typer.echo(msgspec.json.encode(record).decode())
