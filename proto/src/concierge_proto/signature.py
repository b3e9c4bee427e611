"""Signed webhooks in the Standard Webhooks form: `webhook-id`, `webhook-timestamp`, `webhook-signature`."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping

from concierge_proto import errors

_PREFIX = "whsec_"
_OLD = "it was sent long ago, or its sender's clock is behind ours; run NTP on both"
_EARLY = "its sender's clock is ahead of ours; run NTP on both"


class Refused(errors.Permanent):
    """The signature does not hold; the message says why, and nothing about the key."""


def key_of(text: str) -> bytes:
    """Return the key that a secret stands for: its own bytes, or what `whsec_` wraps in base64.

    Raises Permanent when that is not base64.
    """
    if not text.startswith(_PREFIX):
        return text.encode()
    bare = text.removeprefix(_PREFIX).rstrip("=")
    try:
        key = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise errors.Permanent(f"a webhook secret starts with {_PREFIX}, but no base64 follows")
    return key


def sign(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """Return `v1,BASE64` for a body; `timestamp` in seconds since 1970."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def headers(key: bytes, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the three headers of a signed body."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(key, message_id, timestamp, body),
    }


def verify(
    keys: Iterable[bytes],
    found: Mapping[str, str],
    body: bytes,
    now: float,
    tolerance: float,
) -> str:
    """Return the message's id; raise Refused unless one of the keys signed it, not long ago.

    Args:
        keys: Every active key: several while they are rotated.
        found: The request's headers; names in lower case, or a mapping that does not mind.
        body: The bytes as they came.
        now: Seconds since 1970.
        tolerance: How many seconds the timestamp may be off, either way.
    """
    message_id = _header(found, "webhook-id")
    timestamp = _timestamp(_header(found, "webhook-timestamp"))
    given = [word.encode() for word in _header(found, "webhook-signature").split()]
    right = [sign(key, message_id, timestamp, body).encode() for key in keys]
    # every pair is compared, so that time says nothing about which key or which signature matched
    if not sum(hmac.compare_digest(one, other) for one in given for other in right):
        raise Refused("webhook-signature: none of the active keys made it")
    if abs(now - timestamp) > tolerance:
        raise Refused(
            f"webhook-timestamp is {abs(now - timestamp):.0f} s off, {tolerance:.0f} s are allowed: "
            f"{_OLD if now > timestamp else _EARLY}"
        )
    return message_id


def _header(found: Mapping[str, str], name: str) -> str:
    value = found.get(name, "")
    if not value:
        raise Refused(f"header {name} is missing")
    return value


def _timestamp(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= 12:  # noqa: PLR2004 - beyond any date
        return int(text)
    raise Refused("webhook-timestamp is no number of seconds since 1970")
