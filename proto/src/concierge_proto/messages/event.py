"""What happened: the audit log. Every one of these is stored in EVENTS."""

from datetime import datetime
from typing import Literal

import msgspec

from concierge_proto.messages.command import Command

Verdict = Literal["act", "wait", "refuse", "nothing"]
Result = Literal["converged", "partial", "timed_out", "failed", "dry_run"]


class Trigger(msgspec.Struct, frozen=True, kw_only=True):
    """A monitoring system's event, normalised, with what the gateway made of it."""

    id: str
    """Deterministic: the same webhook gives the same id."""
    source: str
    """The name of the gateway's source."""
    event_id: str
    """The problem's id at its source; a recovery carries the id of its problem."""
    status: Literal["problem", "resolved"]
    step: str = ""
    """What tells one escalation step from the next; the same on every retry."""
    service: str = ""
    """Empty: not said."""
    name: str = ""
    severity: int = 0
    """0 not classified, 1 information, 2 warning, 3 average, 4 high, 5 disaster."""
    tags: dict[str, str] = {}
    value: str = ""
    """The measured value, as the source wrote it."""
    action: str = ""
    """What the source says to do, e.g. `scale_out 1`; empty: a rule decides."""
    url: str = ""
    started_at: datetime | None = None
    """When the problem began, by the source's clock."""
    received_at: datetime
    correlation_id: str
    verdict: str = ""
    """The gateway's reason code: `command`, `no_rule`, `unknown_service`, `test`, `update`, …"""
    detail: str = ""
    commands: tuple[str, ...] = ()
    """Ids of the commands it became."""

    @property
    def problem(self) -> str:
        """Key of the problem over its whole life."""
        return f"{self.source}/{self.event_id}"


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """One gate that a command was led through."""

    name: str
    shut: bool
    detail: str = ""
    """Its numbers, in words, shut or not."""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What the scheduler made of a command, and why."""

    id: str
    service: str
    target: str
    verdict: Verdict
    reason: str
    """A reason code: `ok`, `cooldown`, `at_max`, `held`, …"""
    detail: str = ""
    """The same for people, with the numbers."""
    command_id: str = ""
    """Empty when no command is behind it: drift, recovery after a restart."""
    correlation_id: str
    before: int | None = None
    """Instances when it was decided; None when unknown."""
    wanted: int | None = None
    """The absolute number; None unless it acts or waits to."""
    until: datetime | None = None
    """When a waiting one is looked at again."""
    at: datetime
    command: Command | None = None
    """The command itself, so that the log can be replayed."""
    gates: tuple[Gate, ...] = ()
    """Every gate in its order; the first that is shut decided. Empty where none was asked: drift, a duplicate."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What Docker made of it."""

    id: str
    service: str
    target: str
    result: Result
    before: int
    wanted: int
    after: int
    duration_ms: int
    """From the call of Docker to convergence or giving up."""
    command_id: str
    correlation_id: str
    started_at: datetime
    """When Docker's child was started."""
    at: datetime
    detail: str = ""
    added: tuple[str, ...] = ()
    """Names of the instances that came."""
    removed: tuple[str, ...] = ()
    lease: int = 0
    """Revision of the lease under which it was done."""
    verb: str = ""
    """What else was done than scaling: `restart`, `signal`, `resize`."""


class InstanceChange(msgspec.Struct, frozen=True, kw_only=True):
    """An instance came, stopped, or vanished."""

    service: str
    instance: str
    change: Literal["started", "stopped", "vanished"]
    boot: str = ""
    reason: str = ""
    exit_code: int | None = None
    at: datetime


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """Something about Concierge itself or an operator's act: lease taken, drift adopted, hold set."""

    service: str
    """`_` when it concerns no single service."""
    what: str
    detail: str = ""
    owner: str = ""
    correlation_id: str = ""
    at: datetime


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A message that nobody could handle, with its body kept."""

    id: str
    subject: str
    reason: str
    body: bytes
    """As it came; base64 in JSON."""
    headers: dict[str, str] = {}
    deliveries: int = 1
    consumer: str = ""
    at: datetime


Event = Trigger | Decision | Outcome | InstanceChange | Control | DeadLetter
