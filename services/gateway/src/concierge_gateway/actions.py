"""The words in which a trigger or a rule says what to do: `scale_out 1`, `scale_in 2`, `scale_to 3`."""

import re
from typing import NamedTuple

from concierge_proto import errors, messages, settings

_AMOUNT = re.compile(r"[0-9]{1,6}")
_VERBS: dict[str, messages.Verb] = {
    "scale_out": "scale_out",
    "scale_in": "scale_in",
    "scale_to": "scale_to",
}


class Action(NamedTuple):
    """What to do, and with how many instances; the bounds are the scheduler's."""

    verb: messages.Verb
    amount: int

    def __str__(self) -> str:
        return f"{self.verb} {self.amount}"


def parse(text: str) -> Action:
    """Return the action that a text says; raise Malformed with what is wrong and what is understood."""
    word, _, rest = " ".join(text.split()).partition(" ")
    verb = _VERBS.get(word)
    if verb is None:
        raise errors.Malformed(f"action {_short(text)}: use scale_out N, scale_in N or scale_to N")
    if not _AMOUNT.fullmatch(rest):
        raise errors.Malformed(f"action {_short(text)}: {word} needs a whole number, as in `{word} 1`")
    if verb != "scale_to" and not int(rest):
        raise errors.Malformed(f"action {_short(text)}: a step of 0 does nothing")
    return Action(verb, int(rest))


def meant(text: str) -> bool:
    """Tell an action, maybe misspelt, from prose such as the subject of a mail."""
    return text.lstrip().startswith("scale")


def check(config: settings.Settings) -> None:
    """Raise Permanent with the path of the first action in the configuration that says nothing."""
    for name, service in config.services.items():
        for number, rule in enumerate(service.rules):
            _check(rule.action, f"services.{name}.rules[{number}]")
        for number, trigger in enumerate(service.triggers):
            _check(trigger.action, f"services.{name}.triggers[{number}]")


def _check(text: str, path: str) -> None:
    try:
        parse(text)
    except errors.Malformed as error:
        raise errors.Permanent(f"{path}: {error}") from error


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "...")  # noqa: PLR2004 - a line of a log
