"""Every message of Concierge, as frozen Structs: the contract `v1`.

Inside `v1` changes are additive only: a new field has a default, an old reader ignores what it does not know.
"""

from concierge_proto.messages.command import SIGNALS, Command, Verb
from concierge_proto.messages.event import (
    Control,
    DeadLetter,
    Decision,
    Event,
    Gate,
    InstanceChange,
    Outcome,
    Result,
    Trigger,
    Verdict,
)
from concierge_proto.messages.found import Found, Labelled, Refused
from concierge_proto.messages.telemetry import (
    Block,
    Discovery,
    Heartbeat,
    Ping,
    Receipt,
    Snapshot,
    SourceReport,
    Value,
)

__all__ = [
    "SIGNALS",
    "Block",
    "Command",
    "Control",
    "DeadLetter",
    "Decision",
    "Discovery",
    "Event",
    "Found",
    "Gate",
    "Heartbeat",
    "InstanceChange",
    "Labelled",
    "Outcome",
    "Ping",
    "Receipt",
    "Refused",
    "Result",
    "Snapshot",
    "SourceReport",
    "Trigger",
    "Value",
    "Verb",
    "Verdict",
]
