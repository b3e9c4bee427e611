"""Where a document is, and what of it may be told."""

import pytest

from concierge_courier.sources import address
from concierge_proto import errors


@pytest.mark.parametrize(
    ("location", "socket", "target", "shown"),
    [
        ("http://h:8081/m?a=b", "", "/m?a=b", "http://h:8081/m"),
        ("http://h", "", "/", "http://h"),
        ("https://[::1]:8443/m", "", "/m", "https://[::1]:8443/m"),
        ("unix:/run/app.sock:/m?a=b:c", "/run/app.sock", "/m?a=b:c", "unix:/run/app.sock:/m"),
        ("unix:/run/app.sock", "/run/app.sock", "/", "unix:/run/app.sock:/"),
    ],
)
def test_reads(location: str, socket: str, target: str, shown: str) -> None:
    found = address.parse(location)
    assert (found.socket, found.target, found.shown) == (socket, target, shown)


@pytest.mark.parametrize(
    "location",
    [
        *("http:", "http://", "http:///m", "http://h:99999/", "http://h:0/", "http://h:x/", "http://[::1/"),
        *("http://h/a b", "http://h/a\r\nX: 1", "http://h/\x7f", "http://hö/"),
        *("unix:", "unix::/m", "unix:run/app.sock:/m"),
    ],
)
def test_refuses_what_is_none(location: str) -> None:
    with pytest.raises(errors.Permanent, match="is no address: write http://host:port/path or unix:"):
        address.parse(location)


@pytest.mark.parametrize("location", ["http://me:hunter2@h/m?token=hunter2", "https://hunter2@h/"])
def test_refuses_a_password_and_says_why(location: str) -> None:
    with pytest.raises(errors.Permanent, match="list of processes") as caught:
        address.parse(location)
    assert "hunter2" not in str(caught.value)


def test_what_is_shown_has_an_end() -> None:
    assert len(address.shown("http://h/" + "x" * 100_000)) == address.SHOWN
