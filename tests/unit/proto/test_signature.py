"""Signatures, held against the library of Standard Webhooks."""

import base64
import time
from datetime import UTC, datetime

import pytest
import standardwebhooks
from hypothesis import given
from hypothesis import strategies as st

from concierge_proto import errors, signature

KEY = b"a secret of more than 24 bytes"
NOW = 1_700_000_000
BODY = b'{"event_id": "1"}'


def signed(**changes: str) -> dict[str, str]:
    return signature.headers(KEY, "msg_1", NOW, BODY) | changes


@given(st.binary(min_size=1), st.text("abcdef0123456789_-", min_size=1), st.binary())
def test_the_library_makes_the_same_signature(key: bytes, message_id: str, body: bytes) -> None:
    oracle = standardwebhooks.Webhook(key)
    text = body.decode("latin-1")
    at = datetime.fromtimestamp(NOW, UTC)
    assert signature.sign(key, message_id, NOW, text.encode()) == oracle.sign(message_id, at, text)


def test_the_library_verifies_ours() -> None:
    headers = signature.headers(KEY, "msg_1", int(time.time()), BODY)
    assert standardwebhooks.Webhook(KEY).verify(BODY, headers) == {"event_id": "1"}


def test_ours_verifies_and_names_the_message() -> None:
    assert signature.verify([KEY], signed(), BODY, NOW + 299, 300) == "msg_1"


def test_any_active_key_will_do() -> None:
    assert signature.verify([b"new key", KEY], signed(), BODY, NOW, 300) == "msg_1"


def test_one_of_several_signatures_will_do() -> None:
    several = signed() | {"webhook-signature": "v1a,other v1,AAAA " + signed()["webhook-signature"]}
    assert signature.verify([KEY], several, BODY, NOW, 300) == "msg_1"


@pytest.mark.parametrize(("offset", "way"), [(-301, "ahead of ours"), (301, "behind ours")])
def test_too_old_and_too_new_are_refused(offset: int, way: str) -> None:
    with pytest.raises(signature.Refused, match=f"301 s off, 300 s are allowed: .*clock is {way}"):
        signature.verify([KEY], signed(), BODY, NOW + offset, 300)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"webhook-id": ""}, "webhook-id is missing"),
        ({"webhook-id": "msg_2"}, "none of the active keys"),
        ({"webhook-timestamp": str(NOW + 1)}, "none of the active keys"),
        ({"webhook-timestamp": "soon"}, "no number of seconds"),
        ({"webhook-timestamp": "1" * 5000}, "no number of seconds"),
        ({"webhook-timestamp": "²"}, "no number of seconds"),
        ({"webhook-signature": "v1,\xff"}, "none of the active keys"),
        ({"webhook-signature": " "}, "none of the active keys"),
    ],
)
def test_a_change_is_refused(changes: dict[str, str], said: str) -> None:
    with pytest.raises(signature.Refused, match=said):
        signature.verify([KEY], signed(**changes), BODY, NOW, 300)


def test_another_body_is_refused() -> None:
    with pytest.raises(signature.Refused):
        signature.verify([KEY], signed(), BODY + b" ", NOW, 300)


def test_without_a_key_nothing_is_believed() -> None:
    with pytest.raises(signature.Refused):
        signature.verify([], signed(), BODY, NOW, 300)


def test_keys_plain_and_wrapped() -> None:
    assert signature.key_of("plain text") == b"plain text"
    assert signature.key_of("whsec_" + base64.b64encode(KEY).decode()) == KEY
    assert signature.key_of("whsec_" + base64.b64encode(b"four").decode().rstrip("=")) == b"four"


@pytest.mark.parametrize("text", ["whsec_", "whsec_=", "whsec_a b", "whsec_é", "whsec_a"])
def test_a_broken_wrapped_key_is_refused(text: str) -> None:
    with pytest.raises(errors.Permanent, match="no base64"):
        signature.key_of(text)
