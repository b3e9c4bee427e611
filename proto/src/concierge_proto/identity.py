"""Ids: deterministic for what must not happen twice, minted for what is new."""

import hashlib
import os
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]


def derive(*parts: str) -> str:
    """Return the same 26 characters for the same parts, and different ones for any others.

    Parts are length-prefixed, so that ("ab", "c") and ("a", "bc") differ.
    """
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    return _text(int.from_bytes(digest.digest()[:16], "big"))


def mint() -> str:
    """Return 26 new characters that sort by the time they were made (a ULID in lower case)."""
    millis = time.time_ns() // 1_000_000
    return _text((millis << 80) | int.from_bytes(os.urandom(10), "big"))


def _text(number: int) -> str:
    return "".join([_PAIRS[(number >> shift) & 1023] for shift in range(120, -1, -10)])
