"""The webhook of kind `generic`: what it takes, and what it says about what it does not."""

import contextlib
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from concierge_backends.embedded import webhook
from concierge_proto import errors, identity
from tests.unit.backends.said import NOW

WHOLE = {
    "event_id": "7",
    "status": "problem",
    "service": "web",
    "name": "High load",
    "severity": 4,
    "tags": {"team": "shop"},
    "value": 7.25,
    "action": "scale_out 1",
    "step": "2",
    "started_at": "2026-11-22T15:00:00Z",
    "url": "https://example/7",
}


def body(**changes: Any) -> bytes:
    return msgspec.json.encode({**WHOLE, **changes})


def test_reads_everything() -> None:
    (found,) = webhook.read(body(), "script", NOW)
    assert found.id == identity.derive("trigger", "script", "7", "problem", "2")
    assert found.correlation_id == identity.derive("incident", "script", "7")
    assert found.problem == "script/7"
    assert (found.service, found.name, found.severity, found.tags) == (
        "web",
        "High load",
        4,
        {"team": "shop"},
    )
    assert (found.value, found.action, found.step, found.url) == (
        "7.25",
        "scale_out 1",
        "2",
        "https://example/7",
    )
    assert found.started_at == datetime(2026, 11, 22, 15, tzinfo=UTC)
    assert found.received_at == NOW


def test_the_least_is_two_fields() -> None:
    (found,) = webhook.read(b'{"event_id": "7", "status": "resolved"}', "script", NOW)
    assert (found.status, found.service, found.action, found.step) == ("resolved", "", "", "")


@pytest.mark.parametrize(("value", "text"), [(3, "3"), (1234567.5, "1234567.5"), ("lots", "lots")])
def test_values_keep_their_digits(value: object, text: str) -> None:
    assert webhook.read(body(value=value), "script", NOW)[0].value == text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"event_id": ""}, "event_id"),
        ({"event_id": 7}, "event_id"),
        ({"status": "firing"}, "status"),
        ({"service": "My Service"}, "service name 'My Service'"),
        ({"severity": 6}, "severity"),
        ({"severity": "high"}, "severity"),
        ({"tags": ["a"]}, "tags"),
        ({"tags": {"a": 1}}, "tags"),
        ({"started_at": "2026-11-22T15:00:00"}, "started_at"),
        ({"started_at": "yesterday"}, "started_at"),
        ({"value": None}, "value"),
        ({"sevice": "web"}, "sevice"),
    ],
)
def test_names_the_field(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(errors.Malformed, match=said):
        webhook.read(body(**changes), "script", NOW)


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"null",
        b"[]",
        b"\xff\xfe",
        b'{"event_id": "\xff"}',
        b"[" * 100_000,
        b'{"event_id": "\\ud800"}',
        b"{}",
    ],
)
def test_garbage_is_malformed(garbage: bytes) -> None:
    with pytest.raises(errors.Malformed):
        webhook.read(garbage, "script", NOW)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_malformed(data: bytes) -> None:
    with contextlib.suppress(errors.Malformed):
        webhook.read(data, "script", NOW)


def test_of_a_key_that_stands_twice_the_last_counts() -> None:
    body = b'{"event_id": "a", "event_id": "b", "status": "resolved", "status": "problem", "action": "x", "action": "y"}'
    (found,) = webhook.read(body, "own", datetime.now(UTC))
    assert (found.event_id, found.status, found.action) == ("b", "problem", "y")
