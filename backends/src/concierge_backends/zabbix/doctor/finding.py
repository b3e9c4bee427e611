"""What a check found: a line for people, an object for programs."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import msgspec

from concierge_proto import settings

State = Literal["ok", "warning", "broken"]


class Finding(msgspec.Struct, frozen=True):
    """One check of the road from a value to the webhook."""

    check: str
    state: State
    detail: str
    remedy: str = ""
    """What to do about it; "" where nothing needs doing."""
    cluster: str = ""
    """Which of `monitoring.clusters`; "" for `monitoring.zabbix`."""


class Patient(NamedTuple):
    """What is examined, and how patiently."""

    config: settings.Settings
    url: str
    """The front end."""
    hook: str
    """The URL that Zabbix must call."""
    secret: str
    """What it must sign with."""
    clock: Callable[[], float]
    """Our time, in seconds since 1970."""
    patience: float = 30.0
    """Seconds to wait for what Zabbix does of itself."""
    cluster: str = ""
    """Which of `monitoring.clusters` this is; it hears the same values, and nobody acts on its problems."""

    @property
    def section(self) -> str:
        """Where its settings are."""
        return f"monitoring.clusters.{self.cluster}" if self.cluster else "monitoring.zabbix"

    @property
    def backend(self) -> str:
        """Its name in `monitoring.backends`."""
        return f"zabbix-{self.cluster}" if self.cluster else "zabbix"


def ok(check: str, detail: str) -> Finding:
    return Finding(check, "ok", detail)


def warning(check: str, detail: str, remedy: str) -> Finding:
    return Finding(check, "warning", detail, remedy)


def broken(check: str, detail: str, remedy: str) -> Finding:
    return Finding(check, "broken", detail, remedy)
