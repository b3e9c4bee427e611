"""What a doctor says of one thing."""

import msgspec


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    what: str
    good: bool
    found: str
    remedy: str = ""
