"""What `concierge source` writes: secrets nobody else can read, and one more table in the configuration."""

import os
import secrets
import tomllib
from pathlib import Path

from concierge_proto import errors

_SIGNING = ("zabbix", "generic")
KINDS = (*_SIGNING, "alertmanager", "grafana")
"""The first two sign; the others send a bearer token."""


def secret() -> str:
    """Return 256 random bits as text."""
    return secrets.token_urlsafe(32)


def table(name: str, kind: str, file: Path, services: list[str]) -> str:
    """Return the source as TOML."""
    proof = "secret_file" if kind in _SIGNING else "token_file"
    lines = ["", f"[gateway.sources.{name}]", f"kind = {_quoted(kind)}", f"{proof} = {_quoted(str(file))}"]
    if services:
        lines.append(f"services = [{', '.join(map(_quoted, services))}]")
    return "\n".join(lines) + "\n"


def add(path: Path, text: str, file: Path) -> None:
    """Write a new secret and append to the configuration, in this order; raise Permanent before either can't be."""
    whole = path.read_text("utf-8").rstrip("\n") + "\n" + text
    try:
        tomllib.loads(whole)
    except tomllib.TOMLDecodeError as error:
        raise errors.Permanent(f"{path}: a table can't be added at its end: {error}") from None
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise errors.Permanent(f"{file}: {error.strerror}; choose another with --secret-file") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(secret() + "\n")
    replace(path, whole)


def replace(path: Path, text: str) -> None:
    """Put a text in a file's place at once, with the same owner and mode; raise Permanent where it can't be."""
    path = path.resolve()
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        was = path.stat()
        with os.fdopen(
            os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
        ) as opened:
            opened.write(text)
            os.fchown(opened.fileno(), was.st_uid, was.st_gid)
            os.fchmod(opened.fileno(), was.st_mode & 0o777)
            os.fsync(opened.fileno())
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise errors.Permanent(f"{path}: cannot be written: {error.strerror}") from None


def _quoted(text: str) -> str:
    """Return a basic TOML string."""
    if any(ord(letter) < ord(" ") or letter == "\x7f" for letter in text):
        raise errors.Malformed(f"{text!r}: control characters do not belong there")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
