"""What our media type posts, as a trigger. Pure.

All parameters are strings. One that Zabbix could not fill comes as `*UNKNOWN*` or as the macro itself:
both mean absent.
"""

import hashlib
import re
from datetime import UTC, datetime
from typing import Literal

import msgspec

from concierge_backends import port, trigger
from concierge_proto import errors, messages, settings

SERVICE_HOST = "service {service}"
"""The default of `monitoring.zabbix.service_host`."""
CANCELED = "NOTE: Escalation canceled"
"""How such a message begins; nothing else tells it from a step."""

DOCTOR = "concierge.doctor"
"""The tag of the trigger by which `concierge zabbix doctor` tries the road: it asks for nothing."""

_MACRO = re.compile(r"\{[$#]?[A-Z][A-Z0-9_.]*(?:\..*)?\}")
_NUMBER = re.compile(r"[0-9]{1,20}")
"""Event ids have 64 bits."""
_TIME = "%Y.%m.%d %H:%M:%S"


class Post(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters of the media type that are sent on; the macro of each stands in `provision.media`."""

    event_id: str
    event_value: str
    event_update: str = ""
    event_name: str = ""
    event_severity: str = ""
    event_tags: str = ""
    """JSON: `[{"tag": …, "value": …}]`."""
    event_started: str = ""
    """`2026.11.22 10:35:28`, in the time zone of the media's user: UTC."""
    host: str = ""
    value: str = ""
    subject: str = ""
    """The subject of the operation: the action."""
    message: str = ""
    action_id: str = ""
    sent: str = ""
    """`{DATE} {TIME}` of the alert: another one for each step, the same on every retry."""
    url: str = ""


_decoder = msgspec.json.Decoder(Post)


def read(body: bytes, source: str, received_at: datetime) -> list[messages.Trigger]:
    """Return the trigger of a webhook; raise Malformed with the field."""
    return _read(body, source, received_at, SERVICE_HOST)


def named(monitoring: settings.Monitoring) -> port.Webhook:
    """Return a `read` that knows the names of the settings."""
    return reader(monitoring.zabbix.service_host)


def reader(service_host: str) -> port.Webhook:
    """Return a `read` that knows service hosts by another name than `service NAME`."""

    def read_named(body: bytes, source: str, received_at: datetime) -> list[messages.Trigger]:
        return _read(body, source, received_at, service_host)

    return read_named


def _read(body: bytes, source: str, received_at: datetime, service_host: str) -> list[messages.Trigger]:
    post = _decode(body)
    if _MACRO.fullmatch(post.event_id):
        return [_test(body, source, received_at)]
    event_id = _present(post.event_id)
    if not _NUMBER.fullmatch(event_id):
        raise errors.Malformed(f"event_id: {post.event_id[:60]!r} is no number")
    tags = _tags(post.event_tags)
    status, verdict = _status(post), _verdict(post, tags)
    step = _step(post, status, verdict)
    return [
        trigger.make(
            source,
            event_id,
            status,
            step,
            service=tags.get("service") or service_of(_present(post.host), service_host),
            name=_present(post.event_name),
            severity=severity(_present(post.event_severity)),
            tags=tags,
            value=_present(post.value),
            action=_present(post.subject),
            url=_present(post.url),
            started_at=_time(_present(post.event_started)),
            received_at=received_at,
            verdict=verdict,
        )
    ]


def service_of(host: str, service_host: str) -> str:
    """Return the service that a host stands for; "" when it is not a service's host."""
    before, _, after = service_host.partition("{service}")
    if len(host) > len(before) + len(after) and host.startswith(before) and host.endswith(after):
        return host[len(before) : len(host) - len(after)]
    return ""


def severity(text: str) -> int:
    """Return 0 to 5; what is none of them is 0, not classified."""
    return int(text) if text in {"0", "1", "2", "3", "4", "5"} else 0


def _decode(body: bytes) -> Post:
    try:
        return _decoder.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise errors.Malformed(f"webhook: {error}") from error


def _present(text: str) -> str:
    return "" if text == "*UNKNOWN*" or _MACRO.fullmatch(text) else text.strip()


def _status(post: Post) -> Literal["problem", "resolved"]:
    if post.event_value not in {"0", "1"}:
        raise errors.Malformed(f"event_value: {post.event_value[:60]!r} is neither 1 nor 0")
    return "problem" if post.event_value == "1" else "resolved"


def _verdict(post: Post, tags: dict[str, str]) -> str:
    """What looks like a step and is none."""
    if DOCTOR in tags:
        return "test"
    if post.event_update == "1":
        return "update"
    return "canceled" if post.message.lstrip().startswith(CANCELED) else ""


def _step(post: Post, status: str, verdict: str) -> str:
    """A recovery has none: however many actions and media tell of it, it is one.

    An update and a note have their own, since they must not take the place of what they came with:
    closing by hand sends an update and the recovery, in either order.
    """
    if status == "resolved" and not verdict:
        return ""
    sent = f"{_present(post.sent)} action {_present(post.action_id)}"
    return f"{verdict} {sent}".lstrip()


def _test(body: bytes, source: str, received_at: datetime) -> messages.Trigger:
    """The Test button of the media type sends the macros as they are."""
    event_id = "test-" + hashlib.sha256(body).hexdigest()[:16]
    return trigger.make(
        source,
        event_id,
        "problem",
        "test",
        name="Test of the media type",
        received_at=received_at,
        verdict="test",
    )


def _tags(text: str) -> dict[str, str]:
    """Return the event's tags; of several with one name the first."""
    if not _present(text):
        return {}
    try:
        pairs = msgspec.json.decode(text, type=list[dict[str, str]])
    except (msgspec.MsgspecError, RecursionError) as error:
        raise errors.Malformed(f"event_tags: {error}") from error
    return {pair.get("tag", ""): pair.get("value", "") for pair in reversed(pairs)}


def _time(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, _TIME).replace(tzinfo=UTC)
    except ValueError:
        return None
