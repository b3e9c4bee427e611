"""What the scheduler knows of one service: the document that outlives every restart.

Only the keeper of the service's target writes it, by compare-and-set in the bucket `concierge_services`.
"""

from datetime import datetime
from typing import Literal

import msgspec

from concierge_proto import codec, errors, messages

SCHEMA = 1
"""Raised when an old reader would misread a new document; new fields with defaults don't need it."""

Direction = Literal["in", "out", "both"]
Kind = Literal["decision", "outcome", "control"]
Event = messages.Decision | messages.Outcome | messages.Control


class _Part(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the document. Unknown keys are ignored, so that an older scheduler can take over."""


class Wish(_Part, frozen=True, kw_only=True):
    """A command that waits for its gate to open."""

    command: messages.Command
    until: datetime | None = None
    """When the leading one is looked at again."""
    said: str = ""
    """The reason that was published last, so that waiting is told once."""


class Change(_Part, frozen=True, kw_only=True):
    """What is being done: the absolute number, written down before Docker is called."""

    id: str
    """Of the decision to act; swarm carries it as a label."""
    command_id: str = ""
    correlation_id: str
    before: int
    wanted: int
    names: tuple[str, ...] = ()
    """Instances that were there before."""
    lease: int
    """Revision of the lease under which it began."""
    started_at: datetime
    expires_at: datetime
    """No further call of Docker after this."""
    verb: str = ""
    """`restart`, `signal`, `resize`; empty: it scales."""
    arguments: dict[str, str] = {}
    """Of the verb, as in the command."""
    ids: tuple[str, ...] = ()
    """Of the instances that were there before."""

    @property
    def outward(self) -> bool:
        return self.wanted > self.before

    @property
    def words(self) -> str:
        return self.verb or f"{self.before} → {self.wanted}"


class Hold(_Part, frozen=True, kw_only=True):
    """A stop, with an end."""

    direction: Direction = "both"
    until: datetime
    owner: str = ""
    reason: str = ""


class Former(_Part, frozen=True, kw_only=True):
    """The number that was ours, before somebody else changed it."""

    count: int
    until: datetime
    """When it is forgotten."""


class Step(_Part, frozen=True, kw_only=True):
    """A change of the number that has ended."""

    at: datetime
    before: int
    after: int


class Late(_Part, frozen=True, kw_only=True):
    """A call of ours whose end nobody saw: it may still be at work."""

    id: str
    """Of its change."""
    correlation_id: str
    wanted: int
    until: datetime
    """It has ended by then."""
    overtaken: bool = False
    """A later change has set a number of its own."""


class Size(_Part, frozen=True, kw_only=True):
    """What every instance is given; 0: left alone."""

    cpus: float = 0
    memory: int = 0


class Letter(_Part, frozen=True, kw_only=True):
    """An event that is decided and stored, and not yet known to be published."""

    kind: Kind
    id: str
    correlation_id: str = ""
    causation_id: str = ""
    body: msgspec.Raw


class Refusal(_Part, frozen=True, kw_only=True):
    """A command that folding has done with: why, in a code and in words."""

    command: messages.Command
    reason: str
    detail: str = ""


class State(_Part, frozen=True, kw_only=True):
    """One service's document."""

    schema: int = SCHEMA
    service: str
    open: dict[str, datetime] = {}
    """Open problems: key to the time of their last command."""
    closed: dict[str, datetime] = {}
    """Problems that a release has closed: a command of theirs that comes late does nothing."""
    wishes: tuple[Wish, ...] = ()
    """The pending slot: one of them leads (`decide.leading`), the others take its place if it is dropped."""
    errands: tuple[Wish, ...] = ()
    """Commands that change no number: restart, signal, resize; first come, first served."""
    running: Change | None = None
    out_at: datetime | None = None
    """When the last change outwards ended."""
    in_at: datetime | None = None
    repaired_at: datetime | None = None
    """When a count outside the bounds was last corrected."""
    steps: tuple[Step, ...] = ()
    """What has come and gone in the last day, for the limits."""
    late: tuple[Late, ...] = ()
    """What may still come of earlier calls."""
    acted: dict[str, datetime] = {}
    """When an errand last ended, by its verb and instance (`errands.key`)."""
    size: Size | None = None
    """What `resize` has set."""
    sized: tuple[str, ...] = ()
    """Ids of the instances that have it; `*`: the endpoint gives it to every new one."""
    resized_at: datetime | None = None
    """When new instances were last given it."""
    told: int | None = None
    """The count at which a dry target was told a correction of ours: once is enough."""
    hold: Hold | None = None
    """An operator's."""
    drift: Hold | None = None
    """Ours, after somebody else changed the count."""
    former: Former | None = None
    started_at: datetime | None = None
    """When somebody last started it from nothing."""
    count: int | None = None
    """Last written or adopted; None: never seen."""
    obstacle: str = ""
    """Why the service can't have `max` instances, as the last preflight found it."""
    applied: dict[str, datetime] = {}
    """Ids of commands taken in, until their expiry."""
    refused: tuple[Refusal, ...] = ()
    """What folding refused, until it has become a decision."""
    unsaid: tuple[Letter, ...] = ()


def load(data: bytes, service: str) -> State:
    """Return the document; raise Permanent for one that is not ours to read."""
    found = codec.decode(State, data)
    if found.schema > SCHEMA:
        raise errors.Permanent(
            f"the state of service {service} has schema {found.schema}, and this scheduler knows {SCHEMA}: "
            "upgrade it",
        )
    return found


def dump(state: State) -> bytes:
    return msgspec.json.encode(state)


_KINDS: dict[Kind, type[Event]] = {
    "decision": messages.Decision,
    "outcome": messages.Outcome,
    "control": messages.Control,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def say(state: State, event: Event, key: str, cause: str = "") -> State:
    """Return the state with one more event to publish, under the id `key`."""
    letter = Letter(
        kind=_NAMES[type(event)],
        id=key,
        correlation_id=event.correlation_id,
        causation_id=cause,
        body=msgspec.Raw(msgspec.json.encode(event)),
    )
    return msgspec.structs.replace(state, unsaid=(*state.unsaid, letter))


def read(letter: Letter) -> Event:
    """Return the event of a letter."""
    return codec.decode(_KINDS[letter.kind], bytes(letter.body))
