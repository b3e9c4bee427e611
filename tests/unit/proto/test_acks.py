"""What goes over the wire, and what must not."""

import nats.errors
import pytest

from concierge_proto.bus import acks


def test_a_message_with_its_headers() -> None:
    assert acks.wire("a.b", "_INBOX.1", {"ce-id": "x", "ce-type": "é"}, b"{}") == (
        b"HPUB a.b _INBOX.1 35 37\r\nNATS/1.0\r\nce-id: x\r\nce-type: \xc3\xa9\r\n\r\n{}\r\n"
    )


@pytest.mark.parametrize("value", ["x\r\nce-id: y", "x\n", "\r", "x\r\n\r\nPUB a 0\r\n"])
def test_a_header_cannot_become_two(value: str) -> None:
    with pytest.raises(nats.errors.BadHeaderError):
        acks.wire("a", "b", {"ce-id": value}, b"")


@pytest.mark.parametrize("subject", ["", "a b", "a\r\nPUB", "a\n", "\ta"])
def test_a_subject_is_one_word(subject: str) -> None:
    with pytest.raises(nats.errors.BadSubjectError):
        acks.wire(subject, "b", {}, b"")
