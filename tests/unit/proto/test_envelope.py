"""CloudEvents attributes as headers: there and back, and what is no envelope."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concierge_proto import codec, envelope, errors, messages
from tests.unit.proto import samples, shapes

FULL = envelope.Envelope(
    id="command-1",
    type="concierge.v1.command",
    source="/gateway",
    subject="shop/web",
    time=samples.NOON,
    correlation_id="incident-1",
    causation_id="trigger-1",
    expires_at=samples.NOON + timedelta(minutes=5),
    traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    encoding="msgpack+zlib",
)
HEADERS = {
    "Nats-Msg-Id": "command-1",
    "ce-specversion": "1.0",
    "ce-id": "command-1",
    "ce-type": "concierge.v1.command",
    "ce-source": "/gateway",
    "ce-subject": "shop/web",
    "ce-time": "2026-03-01T12:00:00.250000Z",
    "ce-correlationid": "incident-1",
    "ce-causationid": "trigger-1",
    "ce-expirytime": "2026-03-01T12:05:00.250000Z",
    "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "content-type": "application/msgpack",
    "content-encoding": "deflate",
}

needed = st.text(min_size=1, max_size=40)
envelopes = st.builds(
    envelope.Envelope,
    id=needed,
    type=needed,
    source=needed,
    subject=shapes.WORDS,
    time=shapes.TIMES,
    correlation_id=shapes.WORDS,
    causation_id=shapes.WORDS,
    expires_at=st.none() | shapes.TIMES,
    traceparent=shapes.WORDS,
    encoding=st.sampled_from(sorted(envelope.CONTENT_TYPES)),
)


def test_the_headers_are_these() -> None:
    assert FULL.headers() == HEADERS


def test_what_is_empty_is_left_out() -> None:
    bare = envelope.Envelope(id="1", type="t", source="/s", subject="", time=samples.NOON)
    assert set(bare.headers()) == {
        "Nats-Msg-Id", "ce-specversion", "ce-id", "ce-type", "ce-source", "ce-time", "content-type"
    }  # fmt: skip


@given(envelopes)
def test_an_envelope_survives_the_bus(sent: envelope.Envelope) -> None:
    headers = sent.headers()
    assert envelope.read(headers) == sent
    assert all(value.isascii() and value.isprintable() and " " not in value for value in headers.values())


def test_words_of_any_language_are_percent_encoded() -> None:
    sent = envelope.Envelope(id="ä %\r\nx", type="t", source="/s", subject="", time=samples.NOON)
    assert sent.headers()["ce-id"] == "%C3%A4%20%25%0D%0Ax"
    assert envelope.read(sent.headers()).id == "ä %\r\nx"


def test_the_case_of_a_header_does_not_matter() -> None:
    assert envelope.read({key.upper(): value for key, value in HEADERS.items()}) == FULL


def test_foreign_headers_are_ignored() -> None:
    assert envelope.read({**HEADERS, "X-Else": "1", "Nats-Expected-Stream": "EVENTS"}) == FULL


@pytest.mark.parametrize("missing", ["ce-id", "ce-type", "ce-source", "ce-time"])
@pytest.mark.parametrize("how", ["absent", "empty"])
def test_a_missing_attribute_is_named(missing: str, how: str) -> None:
    odd = {**HEADERS, missing: ""}
    if how == "absent":
        del odd[missing]
    with pytest.raises(errors.Malformed, match=f"header '{missing}' is missing"):
        envelope.read(odd)


@pytest.mark.parametrize("headers", [None, {}, {"": ""}])
def test_no_headers_are_malformed(headers: dict[str, str] | None) -> None:
    with pytest.raises(errors.Malformed):
        envelope.read(headers)


@pytest.mark.parametrize("time", ["yesterday", "1772366400", "2026-03-01T12:00:00", "2026-13-01T12:00:00Z"])
@pytest.mark.parametrize("header", ["ce-time", "ce-expirytime"])
def test_a_time_needs_a_date_and_an_offset(header: str, time: str) -> None:
    with pytest.raises(errors.Malformed, match="a header is malformed"):
        envelope.read({**HEADERS, header: time})


@given(st.dictionaries(st.sampled_from(sorted(HEADERS)) | shapes.WORDS, shapes.WORDS))
def test_odd_headers_are_read_or_malformed(odd: dict[str, str]) -> None:
    try:
        found = envelope.read({**HEADERS, **odd})
    except errors.Malformed:
        return
    assert found.id
    assert found.time.tzinfo is not None


def test_a_stamp_is_in_utc_whatever_the_zone() -> None:
    local = datetime(2026, 3, 1, 13, 0, 0, 250_000, timezone(timedelta(hours=1)))
    assert envelope.stamp(local) == envelope.stamp(samples.NOON) == "2026-03-01T12:00:00.250000Z"
    assert envelope.stamp(datetime(2026, 3, 1, tzinfo=UTC)) == "2026-03-01T00:00:00.000000Z"


def test_the_encoding_of_a_body_stands_in_its_headers() -> None:
    for message in samples.ALL:
        _, encoding = codec.encode(message)
        sent = envelope.Envelope(
            id="1", type="t", source="/s", subject="", time=samples.NOON, encoding=encoding
        )
        assert envelope.read(sent.headers()).encoding == encoding
        assert (encoding == "msgpack") == isinstance(message, messages.Snapshot)


def test_a_traceparent_is_new_each_time() -> None:
    one, other = envelope.trace(), envelope.trace()
    assert one != other
    version, trace, span, flags = one.split("-")
    assert (version, len(trace), len(span), flags) == ("00", 32, 16, "01")
