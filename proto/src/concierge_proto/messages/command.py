"""What should happen to a service."""

from datetime import datetime
from typing import Literal

import msgspec

Verb = Literal["scale_out", "scale_in", "scale_to", "resize", "restart", "signal", "release", "hold", "lift"]
"""`release`: the problem behind earlier commands has closed. `hold` and `lift`: an operator's stop, and its end."""


SIGNALS = ("HUP", "INT", "QUIT", "KILL", "USR1", "USR2", "TERM", "WINCH")
"""What `signal` may send."""


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """What should happen to a service, said once. Steps are relative: only the scheduler makes them absolute."""

    id: str
    """Deterministic for what came from a webhook: a retry is the same command."""
    service: str
    target: str
    verb: Verb
    amount: int = 0
    """Instances: how many more or less (`scale_out`, `scale_in`), or how many (`scale_to`)."""
    arguments: dict[str, str] = {}
    """What other verbs need: `direction` (`in`, `out`, `both`) and `until` (RFC 3339) of a hold; `instance` (its name,
    host name or id; none: every one) of `restart` and `signal`; `signal` (`HUP`); `cpus` and `memory` (bytes) of
    `resize`; `trigger` (its name) and `value` (as the source wrote it) of a step inwards."""
    problem: str = ""
    """Key of the problem behind it, `source/event id`; empty for an operator's own command."""
    trigger_id: str = ""
    correlation_id: str
    manual: bool = False
    """An operator asked: passes cooldowns and holds."""
    reason: str = ""
    owner: str = ""
    """Who asked: the source's name, or the operator."""
    issued_at: datetime
    expires_at: datetime
    """Never executed after this."""
