"""Somebody else's JSON as the generic webhook: each of its fields is a path into the body. Pure.

A path is names and places in lists, `alerts[0].labels.service`; what begins with `=` is the text after it.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from concierge_backends import port
from concierge_backends.embedded import webhook
from concierge_proto import codec, errors, messages, settings

_STEP = re.compile(r"([^.\[\]]+)|\[(\d{1,4})\]")
_PATH = re.compile(r"[^.\[\]]+(\[\d{1,4}\])*(\.[^.\[\]]+(\[\d{1,4}\])*)*")
_TAG = "tags."
_KNOWN = sorted({*webhook.Webhook.__struct_fields__} - {"tags"})
_NEEDED = ("event_id", "status")
_FIELD = re.compile(r"`\$\.(\w+)`")
"""How msgspec tells of a field."""
_AS_TEXT = {"event_id", "service", "name", "action", "url"}

_Path = tuple[str | int, ...]


class Mapped:
    """The reader of one source that has `fields`."""

    def __init__(self, at: str, source: settings.Source) -> None:
        _check(at, source)
        self._fields = {
            field: _path(text, f"{at}.fields.{field}")
            for field, text in source.fields.items()
            if not text.startswith("=")
        }
        self._fixed = {field: text[1:] for field, text in source.fields.items() if field not in self._fields}
        self._each = _path(source.each, f"{at}.each") if source.each else ()
        self._statuses = dict.fromkeys(source.resolved, "resolved") | dict.fromkeys(source.problem, "problem")

    def __call__(self, body: bytes, source: str, received_at: datetime) -> list[messages.Trigger]:
        """Return one trigger for each event in the body; raise Malformed with the path."""
        return [
            trigger
            for number, event in enumerate(self._events(codec.decode(Any, body)))
            for trigger in self._read(number, event, source, received_at)
        ]

    def _read(self, number: int, event: Any, source: str, received_at: datetime) -> list[messages.Trigger]:
        try:
            return webhook.read(self._written(event), source, received_at)
        except errors.Malformed as error:
            where = f"{_shown((*self._each, number))}: " if self._each else ""
            raise errors.Malformed(where + _FIELD.sub(self._place, str(error))) from error

    def _place(self, field: re.Match[str]) -> str:
        """Say where in the sender's body a field of ours was looked for."""
        name = field[1]
        if name in self._fixed:
            return f"the fixed text of fields.{name}"
        return f"`{_shown(self._fields[name])}` (fields.{name})" if name in self._fields else field[0]

    def _events(self, body: Any) -> list[Any]:
        found = _at(body, self._each) if self._each else [body]
        if not isinstance(found, list):
            raise errors.Malformed(f"{_shown(self._each)}: not a list")
        return found

    def _written(self, event: Any) -> bytes:
        """Return an event as the generic webhook writes it."""
        filled: dict[str, Any] = {**self._fixed}
        for field, path in self._fields.items():
            value = _at(event, path)
            if value is not None:
                filled[field] = _scalar(value, path, as_text=field in _AS_TEXT)
            elif field in _NEEDED:
                raise errors.Malformed(
                    f"{_shown(path)}: nothing stands there, and fields.{field} looks there"
                )
        if "severity" in filled:
            filled["severity"] = _whole(filled["severity"])
        if "status" in filled:
            filled["status"] = self._status(filled["status"])
        tags = {
            field.removeprefix(_TAG): str(filled.pop(field)) for field in [*filled] if field.startswith(_TAG)
        }
        return msgspec.json.encode({**filled, "tags": tags})

    def _status(self, word: str | float) -> str:
        text = str(word)
        if text not in self._statuses:
            raise errors.Malformed(
                f"{_shown(self._fields.get('status', ()))}: {text[:80]!r} is none of {', '.join(self._statuses)}"
            )
        return self._statuses[text]


def named(name: str, source: settings.Source) -> port.Webhook:
    """Return the reader of a source; raise Permanent with the path of the setting that can't be used."""
    return Mapped(f"gateway.sources.{name}", source)


def _check(at: str, source: settings.Source) -> None:
    for field in _NEEDED:
        if field not in source.fields:
            raise errors.Permanent(f"{at}.fields: {field} is missing: say where it stands in the body")
    for field in source.fields:
        if field not in _KNOWN and not field.startswith(_TAG):
            raise errors.Permanent(f"{at}.fields.{field}: there is {', '.join(_KNOWN)} and tags.NAME")


def _path(text: str, at: str) -> _Path:
    if not _PATH.fullmatch(text):
        raise errors.Permanent(
            f"{at}: {text!r} is no path: write names and places, as in alerts[0].labels.name"
        )
    return tuple(name or int(place) for name, place in _STEP.findall(text))


def _at(body: Any, path: _Path) -> Any:
    """Return what stands there; None where nothing does."""
    for step in path:
        if isinstance(step, int):
            body = body[step] if isinstance(body, list) and step < len(body) else None
        else:
            body = body.get(step) if isinstance(body, dict) else None
    return body


def _scalar(value: Any, path: _Path, *, as_text: bool) -> Any:
    if isinstance(value, dict | list):
        raise errors.Malformed(f"{_shown(path)}: a single value is needed here, not {type(value).__name__}")
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if as_text else value


def _whole(value: Any) -> Any:
    """Return `"4"` and `4.0` as 4, and leave what is no whole number to the reader."""
    try:
        return int(value) if float(value).is_integer() else value
    except (ValueError, OverflowError):
        return value


def _shown(path: _Path) -> str:
    return "".join(_words(path)).removeprefix(".") or "status"


def _words(path: _Path) -> Iterator[str]:
    for step in path:
        yield f"[{step}]" if isinstance(step, int) else f".{step}"
