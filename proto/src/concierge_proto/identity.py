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
    data = [part.encode("utf-8", "surrogatepass") for part in parts]
    digest = hashlib.sha256(b"".join([len(one).to_bytes(8, "big") + one for one in data])).digest()
    return _text(int.from_bytes(digest[:16], "big"))


def mint() -> str:
    """Return 26 new characters that sort by the time they were made (a ULID in lower case)."""
    millis = time.time_ns() // 1_000_000
    return _text((millis << 80) | int.from_bytes(os.urandom(10), "big"))


def _text(number: int) -> str:
    return "".join([_PAIRS[(number >> shift) & 1023] for shift in range(120, -1, -10)])
