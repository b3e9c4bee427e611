"""The options that open a source: `--source-token-file NAME=FILE`, one set for each source that asks."""

import argparse
from collections.abc import Mapping
from typing import Any

from concierge_courier.sources import access
from concierge_proto import errors

_FLAGS = {
    "token_file": ("NAME=FILE", "bearer token for the source of that name; repeat for several"),
    "user": ("NAME=USER", "basic authentication, with --source-password-file"),
    "password_file": ("NAME=FILE", ""),
    "ca_file": ("NAME=FILE", "verify an https:// source against this CA alone (PEM)"),
    "cert_file": ("NAME=FILE", "client certificate (PEM)"),
    "key_file": ("NAME=FILE", "its key, when it has a file of its own"),
}
"""Fields of Access, and what to say about them. A source's name is its kind unless it has another."""


def add(page: argparse.ArgumentParser) -> None:
    """Give a page of help these flags."""
    for field, (metavar, words) in _FLAGS.items():
        page.add_argument(
            _flag(field), dest=_dest(field), action="append", metavar=metavar, help=words or None
        )


def read(given: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, access.Access]:
    """Return source name to what opens it; raise Permanent with the flag or variable that is wrong."""
    found: dict[str, dict[str, str]] = {}
    for field in _FLAGS:
        where, texts = _flag(field), given.get(_dest(field))
        if not texts:
            where = f"CONCIERGE_SOURCE_{field.upper()}"
            texts = environ.get(where, "").split()
        for text in texts:
            name, _, value = text.partition("=")
            if not name or not value:
                raise errors.Permanent(f"{where}: {text!r}: write {_FLAGS[field][0]}, e.g. prometheus=…")
            if field in found.setdefault(name, {}):
                raise errors.Permanent(f"{where}: said twice for {name!r}")
            found[name][field] = value
    return {name: access.Access(**fields) for name, fields in found.items()}


def _flag(field: str) -> str:
    return f"--source-{field.replace('_', '-')}"


def _dest(field: str) -> str:
    return f"source.{field}"
