"""Inflating: whatever comes, it ends, in bounds, with the text or with zlib's own error."""

import gzip
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concierge_courier.sources import body

TEXT = b'{"counters": {"hits": {"count": 3}}}' * 20


def raw(content: bytes) -> bytes:
    squeezer = zlib.compressobj(wbits=-15)
    return squeezer.compress(content) + squeezer.flush()


@pytest.mark.parametrize("squeeze", [gzip.compress, zlib.compress, raw], ids=["gzip", "zlib", "raw"])
def test_every_form_that_servers_send(squeeze: Callable[[bytes], bytes]) -> None:
    assert body.inflate(squeeze(TEXT), len(TEXT)) == TEXT


def test_several_members() -> None:
    assert body.inflate(gzip.compress(b"a") + gzip.compress(b"b"), 10) == b"ab"


def test_a_bomb_is_cut_off() -> None:
    assert body.inflate(gzip.compress(b" " * 50_000_000), 1000) == b" " * 1000


@pytest.mark.parametrize("squeeze", [gzip.compress, zlib.compress, raw], ids=["gzip", "zlib", "raw"])
def test_what_breaks_off_is_no_document(squeeze: Callable[[bytes], bytes]) -> None:
    with pytest.raises(zlib.error):
        body.inflate(squeeze(TEXT)[:-9], 10_000)


@pytest.mark.parametrize(
    "content", [b"", b"no gzip", gzip.compress(TEXT) + b"rest"], ids=["empty", "text", "with a rest"]
)
def test_what_is_none(content: bytes) -> None:
    with pytest.raises(zlib.error):
        body.inflate(content, 10_000)


def test_a_million_empty_members_cost_nothing() -> None:
    with pytest.raises(zlib.error, match="more than 100"):
        body.inflate(gzip.compress(b"") * 500_000, 10_000)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=2000), st.integers(1, 3000))
def test_there_and_back_in_bounds(content: bytes, most: int) -> None:
    for squeeze in (gzip.compress, zlib.compress):
        assert body.inflate(squeeze(content), most) == content[:most]


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([b"", b"\x1f\x8b\x08\x00", b"\x78\x9c"]))
def test_rubbish_ends(content: bytes, head: bytes) -> None:
    try:
        assert len(body.inflate(head + content, 500)) <= 500
    except zlib.error:
        return


@given(
    st.binary(max_size=30), st.sampled_from([b"", b" \n", b"\xef\xbb\xbf", b"  \t" * 20]), st.integers(1, 9)
)
def test_how_it_begins_does_not_depend_on_the_chunks(content: bytes, head: bytes, size: int) -> None:
    whole = head + content
    begin, again = body.peeked(whole[at : at + size] for at in range(0, len(whole), size))
    assert b"".join(again) == whole.lstrip()
    assert whole.lstrip().startswith(begin)
    assert len(begin) >= min(4, len(whole.lstrip()))


def test_blanks_without_end_cost_nothing() -> None:
    begin, again = body.peeked([b" " * 65536] * 1000)
    assert (begin, b"".join(again)) == (b"", b"")
