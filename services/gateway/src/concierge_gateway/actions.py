"""The words in which a trigger or a rule says what to do.

scale_out N · scale_in N · scale_to N · restart [INSTANCE] · signal NAME [INSTANCE] · resize [cpus=N] [memory=SIZE]
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from concierge_proto import errors, messages, settings

_AMOUNT = re.compile(r"[0-9]{1,6}")
_CPUS = re.compile(r"[0-9]{1,4}(\.[0-9]{1,3})?")
_MEMORY = re.compile(r"[0-9]{1,12}[kmgKMG]?")
_INSTANCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,252}")


class Action(NamedTuple):
    """What to do, with how many instances, and what else its verb needs; the bounds are the scheduler's."""

    verb: messages.Verb
    amount: int = 0
    arguments: dict[str, str] | None = None

    def __str__(self) -> str:
        told = self.arguments or {}
        match self.verb:
            case "restart" | "signal":
                return " ".join(filter(None, (self.verb, told.get("signal"), told.get("instance"))))
            case "resize":
                return " ".join([self.verb, *(f"{key}={value}" for key, value in told.items())])
        return f"{self.verb} {self.amount}"


def parse(text: str) -> Action:
    """Return the action that a text says; raise Malformed with what is wrong and what is understood."""
    word, *rest = text.split() or [""]
    reader = _READERS.get(word)
    if reader is None:
        raise errors.Malformed(
            f"action {_short(text)}: use scale_out N, scale_in N or scale_to N, restart [INSTANCE], "
            "signal NAME [INSTANCE] or resize cpus=N memory=SIZE"
        )
    try:
        return reader(word, rest)
    except errors.Malformed as error:
        raise errors.Malformed(f"action {_short(text)}: {error}") from None


def meant(text: str) -> bool:
    """Tell an action, maybe misspelt, from prose such as the subject of a mail."""
    word = (text.split() or [""])[0]
    return word.startswith("scale") or word in _READERS


def check(config: settings.Settings) -> None:
    """Raise Permanent with the path of the first action in the configuration that says nothing."""
    for name, service in config.services.items():
        for number, rule in enumerate(service.rules):
            _check(rule.action, f"services.{name}.rules[{number}]")
        for number, trigger in enumerate(service.triggers):
            _check(trigger.action, f"services.{name}.triggers[{number}]")


def _scale(verb: messages.Verb) -> "_Reader":
    def read(word: str, rest: list[str]) -> Action:
        if len(rest) != 1 or not _AMOUNT.fullmatch(rest[0]):
            raise errors.Malformed(f"{word} needs a whole number, as in `{word} 1`")
        if verb != "scale_to" and not int(rest[0]):
            raise errors.Malformed("a step of 0 does nothing")
        return Action(verb, int(rest[0]))

    return read


def _restart(_: str, rest: list[str]) -> Action:
    return Action("restart", 0, _instance(rest))


def _signal(_: str, rest: list[str]) -> Action:
    name = rest[0].upper().removeprefix("SIG") if rest else ""
    if name not in messages.SIGNALS:
        raise errors.Malformed(f"signal needs one of {', '.join(messages.SIGNALS)}, as in `signal HUP`")
    return Action("signal", 0, {"signal": name, **_instance(rest[1:])})


def _resize(_: str, rest: list[str]) -> Action:
    told = dict(word.partition("=")[::2] for word in rest)
    cpus, memory = told.get("cpus", "1"), told.get("memory", "1m")
    odd = set(told) - {"cpus", "memory"} or len(told) != len(rest) or not rest
    if odd or not (_CPUS.fullmatch(cpus) and float(cpus) and _MEMORY.fullmatch(memory)):
        raise errors.Malformed("resize needs cpus, memory or both, as in `resize cpus=1.5 memory=512m`")
    size = settings.Size.parse(memory)
    if not size:
        raise errors.Malformed("an instance needs some memory")
    found = {"cpus": cpus, "memory": str(int(size))}
    return Action("resize", 0, {key: value for key, value in found.items() if key in told})


def _instance(words: list[str]) -> dict[str, str]:
    """Return the argument that names an instance, if one is named; a macro that was not expanded names none."""
    if not words:
        return {}
    if len(words) > 1 or not _INSTANCE.fullmatch(words[0]):
        raise errors.Malformed("an instance is one name of letters, digits, `.`, `_` and `-`")
    return {"instance": words[0]}


_Reader = Callable[[str, list[str]], Action]
_READERS: dict[str, _Reader] = {
    "scale_out": _scale("scale_out"),
    "scale_in": _scale("scale_in"),
    "scale_to": _scale("scale_to"),
    "restart": _restart,
    "signal": _signal,
    "resize": _resize,
}


def _check(text: str, path: str) -> None:
    try:
        parse(text)
    except errors.Malformed as error:
        raise errors.Permanent(f"{path}: {error}") from error


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "...")  # noqa: PLR2004 - a line of a log
