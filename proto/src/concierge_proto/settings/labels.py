"""A service's policy as its labels say it: `concierge.max=5` is `max = 5`. Pure.

A label is a key of `[services.NAME]` with `-` for `_` and a dot between table and key. Each is judged by itself, by the
type of its key, so that a mistake names its label; one mistake refuses the whole policy.
"""

import math
from collections.abc import Mapping
from typing import Any, get_args

import msgspec

from concierge_proto import errors, messages, metric, subjects
from concierge_proto.settings import units
from concierge_proto.settings.model import Limit, Room, Rule, Service

PREFIX = "concierge."
ENABLE = f"{PREFIX}enable"
NAME = f"{PREFIX}service"
"""Our name, where Docker's is none: `shop_web` of a stack."""
_APART = frozenset({ENABLE, NAME, f"{PREFIX}intent", f"{PREFIX}correlation"})
"""Labels that are no policy; the last two are our own notes on a swarm service."""
PLAIN = (
    *("min", "max", "cooldown_out", "cooldown_in", "cooldown_act", "fresh", "heard"),
    *("converge", "settle", "drift_hold", "dry_run"),
)
TABLES: dict[str, type[msgspec.Struct]] = {"limit_out": Limit, "limit_in": Limit, "resize": Room}
_RULE = 3
"""Parts of `rules.NAME.key`."""
_WRITTEN = (units.Duration, units.Size)
"""What the whole policy is decoded from again as text."""
_WORDS: dict[type, str] = {
    int: "write a whole number",
    bool: "write `true` or `false`",
    float: "write a number",
}


class Wrong(errors.Malformed):
    """A label that can't be listened to."""

    def __init__(self, label: str, value: str, reason: str) -> None:
        super().__init__(f"{label}={value}: {reason}" if value else f"{label}: {reason}")
        self.label, self.value, self.reason = label, value, reason


def ours(labels: Mapping[str, str]) -> dict[str, str]:
    """Return the labels that are meant for Concierge."""
    return {label: value.strip() for label, value in labels.items() if label.startswith(PREFIX)}


def enabled(labels: Mapping[str, str]) -> bool:
    """Return whether a service asks to be found; raises Wrong where it says neither yes nor no."""
    said = labels.get(ENABLE, "false").strip().lower()
    if said not in {"true", "false"}:
        raise Wrong(ENABLE, said, "write `true` or `false`")
    return said == "true"


def name(called: str, labels: Mapping[str, str]) -> str:
    """Return our name of a service that Docker calls `called`; raises Wrong where it can't be one."""
    wanted = labels.get(NAME, called)
    try:
        return subjects.name(wanted)
    except errors.Malformed as error:
        remedy = "" if NAME in labels else f"; give it another by the label {NAME}=NAME"
        raise Wrong(NAME, wanted, f"{error}{remedy}") from None


def policy(target: str, called: str, labels: Mapping[str, str], most: int) -> Service:
    """Return the policy that a service's labels make.

    Args:
        target: NAME of `[targets.NAME]`.
        called: What Docker calls the service.
        labels: Its own labels, as `ours` returns them.
        most: `labels_max` of the target.

    Raises:
        Wrong: Names the first label that is wrong, and the remedy.
    """
    tree: dict[str, Any] = {"target": target, "name": called}
    for label, value in sorted(labels.items()):
        if label not in _APART:
            _lay(tree, label, value)
    tree["rules"] = list(tree.get("rules", {}).values())
    _check(tree, labels, f"targets.{target}.labels_max", most)
    return msgspec.convert(tree, Service, dec_hook=units.decode)


def keys(labels: Mapping[str, str]) -> set[str]:
    """Return the keys of `[services.NAME]` that labels set."""
    return {_path(label)[0] for label in labels if label not in _APART} | {"target", "name"}


def _path(label: str) -> list[str]:
    """Names of rules and tags are as they are written."""
    parts = label.removeprefix(PREFIX).split(".")
    if parts[0] == "rules":
        return [*parts[:2], *(part.replace("-", "_") for part in parts[2:3]), *parts[3:]]
    return [part.replace("-", "_") for part in parts]


def _lay(tree: dict[str, Any], label: str, value: str) -> None:
    """Put one label where it belongs."""
    path = _path(label)
    if path == ["aggregates"]:
        tree["aggregates"] = {"metrics": _metrics(label, value)}
        return
    *parents, leaf = path
    found = _value(label, _kind(label, path), value)
    for part in parents:
        tree = tree.setdefault(part, {})
    tree[leaf] = found


def _metrics(label: str, value: str) -> list[str]:
    """Names of metrics hold commas: they are parted by semicolons."""
    try:
        return [str(metric.parse(one)) for one in value.split(";") if one.strip()]
    except errors.Malformed as error:
        raise Wrong(label, value, str(error)) from None


def _kind(label: str, path: list[str]) -> Any:
    """Return the type of the key that a label names."""
    fields: dict[str, Any] = {}
    if len(path) == 1 and path[0] in PLAIN:
        fields = _types(Service)
    elif len(path) == 2 and path[0] in TABLES:  # noqa: PLR2004 - table and key
        fields = _types(TABLES[path[0]])
    elif len(path) == _RULE and path[0] == "rules" and path[2] != "tags":
        fields = _types(Rule)
    elif len(path) == _RULE + 1 and path[0] == "rules" and path[2] == "tags":
        return str
    if path[-1] not in fields:
        raise Wrong(
            label, "", "there is no such label: docs/scaling.md lists them; the rest stands in the file"
        )
    return fields[path[-1]]


def _types(kind: type[msgspec.Struct]) -> dict[str, Any]:
    return {field.name: field.type for field in msgspec.structs.fields(kind)}


def _value(label: str, kind: Any, value: str) -> object:
    plain = (get_args(kind) or (kind,))[0]
    try:
        found = msgspec.convert(value, kind, strict=False, dec_hook=units.decode)
    except msgspec.ValidationError as error:
        said = str(error).replace("Expected", "expected")
        raise Wrong(label, value, f"{said}; {_WORDS[plain]}" if plain in _WORDS else said) from None
    if isinstance(found, float) and not math.isfinite(found):
        raise Wrong(label, value, "write a number that ends somewhere")
    if label.endswith(".action") and (value.split() or [""])[0] not in get_args(messages.Verb):
        raise Wrong(label, value, f"an action begins with one of {', '.join(get_args(messages.Verb)[:6])}")
    return value if kind in _WRITTEN else found


def _check(tree: Mapping[str, Any], labels: Mapping[str, str], bound: str, most: int) -> None:
    """Hold what one label cannot say."""
    top = f"{PREFIX}max"
    if "max" not in tree:
        raise Wrong(top, "", "it is missing: say how many instances there may be")
    if tree["max"] > most:
        raise Wrong(top, labels[top], f"the file allows {most}: lower it, or raise `{bound}`")
    if tree.get("min", 1) > tree["max"]:
        raise Wrong(f"{PREFIX}min", str(tree.get("min", 1)), f"it is more than {top}={labels[top]}")
    for rule in tree["rules"]:
        if "action" not in rule:
            raise Wrong(f"{PREFIX}rules", "", "a rule needs an action: write `concierge.rules.NAME.action`")
