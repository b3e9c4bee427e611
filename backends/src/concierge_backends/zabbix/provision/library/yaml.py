"""YAML as Zabbix reads it: mappings, lists and text, every text quoted. There is nothing else in an export."""

from collections.abc import Iterator
from typing import Any


def dump(document: dict[str, Any]) -> str:
    """Return the document as YAML."""
    return "\n".join(_mapping(document, "")) + "\n"


def _mapping(doc: dict[str, Any], pad: str) -> Iterator[str]:
    for key, value in doc.items():
        if isinstance(value, str):
            yield f"{pad}{key}: {_quoted(value)}"
        elif value:
            yield f"{pad}{key}:"
            yield from _mapping(value, f"{pad}  ") if isinstance(value, dict) else _list(value, f"{pad}  ")


def _list(values: list[Any], pad: str) -> Iterator[str]:
    for value in values:
        lines = [_quoted(value)] if isinstance(value, str) else list(_mapping(value, ""))
        yield f"{pad}- {lines[0]}"
        yield from (f"{pad}  {line}" for line in lines[1:])


def _quoted(text: str) -> str:
    """Single quotes keep everything but a line break as it is."""
    if "\n" in text:
        raise ValueError(f"no line breaks in a template: {text!r}")
    return "'" + text.replace("'", "''") + "'"
