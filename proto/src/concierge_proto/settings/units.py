"""Durations and sizes, as people write them."""

import re

_DURATION = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)(ms|s|m|h|d)", re.ASCII)
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,12})?)([kmg]?)b?", re.ASCII | re.IGNORECASE)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


class Duration(float):
    """Seconds; written `500ms`, `30s`, `5m`, `1h30m`, `7d`."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: object) -> "Duration":
        """Raise ValueError unless `text` is a duration with a unit."""
        parts = _DURATION.findall(text) if isinstance(text, str) else []
        if not parts or "".join(number + unit for number, unit in parts) != text:
            raise ValueError(f"{text!r} is no duration: write `30s`, `5m`, `1h30m`, `500ms` or `7d`")
        return cls(sum(float(number) * _SECONDS[unit] for number, unit in parts))


class Size(int):
    """Bytes; written `512k`, `128m`, `2g`."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: object) -> "Size":
        """Raise ValueError unless `text` is a size."""
        match = _SIZE.fullmatch(str(text)) if isinstance(text, str | int) else None
        if not match:
            raise ValueError(f"{text!r} is no size: write `512k`, `128m` or `2g`")
        return cls(float(match[1]) * _BYTES[match[2].lower()])


def decode(kind: type, value: object) -> object:
    """Decode, for msgspec, what it has no type for. Raises ValueError."""
    if kind is Duration or kind is Size:
        return kind.parse(value)
    raise NotImplementedError(kind)
