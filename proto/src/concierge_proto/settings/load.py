"""Read the file, lay the environment over it, refuse what is not understood."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from concierge_proto import errors, subjects
from concierge_proto.settings.model import Service, Settings, Source, Target
from concierge_proto.settings.units import decode

PREFIX = "CONCIERGE_"
_SECRETS = {
    "secret": "secret_file",
    "token": "token_file",
    "password": "password_file",
    "api_token": "api_token_file",
}
_NAMED: dict[str, type[msgspec.Struct]] = {"services": Service, "targets": Target, "gateway.sources": Source}
"""Tables of tables, in which msgspec's path says `[...]` for the name."""


def load(path: str | os.PathLike[str] | None, environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of a TOML file (None: defaults), overridden by `CONCIERGE_A__B=value`.

    Raises Permanent with the file, the path of the mistake, and the remedy.
    """
    where = str(path) if path else "environment"
    tree = _read(Path(path)) if path else {}
    _refuse_secrets(tree, where)
    for name, value in environment(os.environ if environ is None else environ).items():
        _lay(tree, name, value)
    return parse(tree, where)


def origins(
    path: str | os.PathLike[str], environ: Mapping[str, str] | None = None
) -> dict[str, dict[str, str]]:
    """Return who sets each key of each service, by service and key: `file` or `environment`; no word: the default."""
    tree = _read(Path(path)).get("services", {})
    found = {name: dict.fromkeys(keys, "file") for name, keys in tree.items() if isinstance(keys, dict)}
    for name in environment(os.environ if environ is None else environ):
        parts = name.split(".")
        if parts[0] == "services" and len(parts) > 2:  # noqa: PLR2004 - services, NAME, key
            found.setdefault(parts[1], {})[parts[2]] = "environment"
    return found


def parse(tree: Mapping[str, Any], where: str) -> Settings:
    """Return the settings of a decoded file; raise Permanent with the path of the mistake."""
    try:
        found = msgspec.convert(tree, Settings, dec_hook=decode)
        _check(found)
    except (msgspec.ValidationError, errors.Malformed) as error:
        raise errors.Permanent(f"{where}: {_named(_plain(str(error)), tree)}") from error
    return found


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the settings in the environment: `a.b` to text, of every `CONCIERGE_A__B`."""
    return {
        key.removeprefix(PREFIX).lower().replace("__", "."): value
        for key, value in environ.items()
        if key.startswith(PREFIX) and "__" in key
    }


def read_secret(path: str, what: str) -> list[str]:
    """Return the secrets of a file, one a line; raise Permanent when there is none or it can't be read."""
    try:
        lines = [line.strip() for line in Path(path).read_text("utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise errors.Permanent(f"{what}: cannot read {path}: {reason}") from error
    if not lines:
        raise errors.Permanent(f"{what}: {path} is empty: write the secret into it, one a line")
    return lines


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise errors.Permanent(
            f"cannot read {path}: {error.strerror}; `concierge init` writes one"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise errors.Permanent(f"{path}: {error}") from error


def _lay(tree: dict[str, Any], name: str, text: str) -> None:
    """Put one override where it belongs; text that reads as a TOML value becomes one."""
    *parents, leaf = name.split(".")
    for part in parents:
        tree = tree.setdefault(part, {})
        if not isinstance(tree, dict):
            raise errors.Permanent(f"environment: {name}: `{part}` is a value, not a table")
    try:
        tree[leaf] = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        tree[leaf] = text


def _refuse_secrets(tree: Mapping[str, Any], where: str, path: str = "") -> None:
    for key, value in tree.items():
        if key in _SECRETS and isinstance(value, str):
            raise errors.Permanent(
                f"{where}: {path}{key}: secrets do not stand in the configuration; "
                f"write it into a file and name the file in `{_SECRETS[key]}`",
            )
        if isinstance(value, dict):
            _refuse_secrets(value, where, f"{path}{key}.")


def _check(found: Settings) -> None:
    """Hold what one type cannot say: names, references, bounds."""
    for name, target in found.targets.items():
        subjects.name(name, "target")
        if target.labels and target.kind == "process":
            raise errors.Malformed(f"targets.{name}.labels: a process has no labels: leave it out")
    for name in found.gateway.sources:
        subjects.name(name, "source")
    for name, service in found.services.items():
        subjects.name(name)
        _check_service(f"services.{name}", service, found)


def _check_service(path: str, service: Service, found: Settings) -> None:
    target = found.targets.get(service.target)
    if target is None:
        raise errors.Malformed(f"{path}.target: there is no [targets.{service.target}]")
    if service.min > service.max:
        raise errors.Malformed(f"{path}: min = {service.min} is more than max = {service.max}")
    if target.kind == "process" and service.process is None:
        raise errors.Malformed(f"{path}: target {service.target} starts processes: add [{path}.process]")
    for trigger in service.triggers:
        if (trigger.above is None) == (trigger.below is None):
            raise errors.Malformed(f"{path}.triggers: {trigger.name!r}: give `above` or `below`, one of them")
        if sum(other.name == trigger.name for other in service.triggers) > 1:
            raise errors.Malformed(
                f"{path}.triggers: two are called {trigger.name!r}: give each a name of its own"
            )


def _plain(text: str) -> str:
    return text.replace(" - at `$.", " - at `").replace("Object contains unknown field", "unknown key")


def _named(text: str, tree: Mapping[str, Any]) -> str:
    for path, kind in _NAMED.items():
        if f"`{path}[...]" in text:
            return text.replace(f"`{path}[...]", f"`{path}.{_culprit(tree, path, kind)}")
    return text


def _culprit(tree: Mapping[str, Any], path: str, kind: type[msgspec.Struct]) -> str:
    """Return the name of the first entry that does not convert."""
    for part in path.split("."):
        tree = tree[part]
    for name, entry in tree.items():
        try:
            msgspec.convert(entry, kind, dec_hook=decode)
        except msgspec.ValidationError:
            return name
    return "[...]"
