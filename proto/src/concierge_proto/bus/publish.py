"""Messages on their way out: packed once, stored once, retried by the same id."""

from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from concierge_proto import codec, envelope, identity


class Ack(NamedTuple):
    """The server's word that a message is stored."""

    stream: str
    sequence: int
    duplicate: bool
    """True: the same id had been stored before."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message ready to go. A repeat sends the same bytes, with the first time and expiry."""

    subject: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["Nats-Msg-Id"]


def pack(  # noqa: PLR0913 - the attributes of an envelope
    subject: str,
    content: msgspec.Struct,
    *,
    source: str,
    id: str = "",  # noqa: A002 - the attribute's own name
    correlation_id: str = "",
    causation_id: str = "",
    expires_at: datetime | None = None,
    traceparent: str = "",
) -> Message:
    """Return `content` with its envelope. Without `id` a new one is minted."""
    body, encoding = codec.encode(content)
    _, version, kind, *rest = subject.split(".")
    head = envelope.Envelope(
        id=id or identity.mint(),
        type=f"concierge.{version}.{rest[-1] if kind == 'event' else kind}",
        source=source,
        subject="/".join(rest),
        time=datetime.now(UTC),
        correlation_id=correlation_id,
        causation_id=causation_id,
        expires_at=expires_at,
        traceparent=traceparent,
        encoding=encoding,
    )
    return Message(subject=subject, headers=head.headers(), body=body)
