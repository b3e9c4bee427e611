"""Where a message goes: subjects, with validated tokens, and the streams that store them."""

import re
from typing import NamedTuple

from concierge_proto import errors

ROOT = "concierge.v1"
NOBODY = "_"
"""Stands for the service in an event that concerns none."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_INSTANCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")


class Address(NamedTuple):
    """A subject, taken apart. `detail` is the instance, the kind of event, or a command's target."""

    kind: str
    service: str
    detail: str


def name(text: str, what: str = "service") -> str:
    """Return `text` if it may name a service, a target or a source; else raise Malformed."""
    if _NAME.fullmatch(text):
        return text
    raise errors.Malformed(
        f"{what} name {text!r}: use 1 to 63 of a-z, 0-9 and '-', the first a letter or a digit",
    )


def instance(text: str) -> str:
    """Return `text` if it may name an instance; else raise Malformed."""
    if _INSTANCE.fullmatch(text):
        return text
    raise errors.Malformed(
        f"instance name {text!r}: use 1 to 128 of A-Z, a-z, 0-9, '_' and '-', the first a letter or a digit",
    )


def instance_of(hostname: str) -> str:
    """Make an instance name of a host name: dots and other signs become '-'."""
    return instance(_UNSAFE.sub("-", hostname).strip("-_")[:128] or "unnamed")


def snapshot(service: str, instance_name: str) -> str:
    return f"{ROOT}.snapshot.{name(service)}.{instance(instance_name)}"


def discovery(service: str, instance_name: str) -> str:
    return f"{ROOT}.discovery.{name(service)}.{instance(instance_name)}"


def heartbeat(service: str, instance_name: str) -> str:
    return f"{ROOT}.heartbeat.{name(service)}.{instance(instance_name)}"


def receipt(service: str, instance_name: str) -> str:
    return f"{ROOT}.receipt.{name(service)}.{instance(instance_name)}"


def ping(service: str, instance_name: str) -> str:
    return f"{ROOT}.ping.{name(service)}.{instance(instance_name)}"


def command(target: str, service: str) -> str:
    return f"{ROOT}.command.{name(target, 'target')}.{name(service)}"


def event(service: str, kind: str) -> str:
    """`kind`: trigger, decision, outcome, instance, control or deadletter. `service` may be `_`."""
    return f"{ROOT}.event.{service if service == NOBODY else name(service)}.{kind}"


def parse(subject: str) -> Address:
    """Take a subject of this contract apart; raise Malformed for any other."""
    parts = subject.split(".")
    if len(parts) != 5 or ".".join(parts[:2]) != ROOT:  # noqa: PLR2004 - root, kind, two tokens
        raise errors.Malformed(f"subject {subject!r} is none of {ROOT}.<kind>.<a>.<b>")
    if parts[2] == "command":
        return Address("command", parts[4], parts[3])
    return Address(parts[2], parts[3], parts[4])
