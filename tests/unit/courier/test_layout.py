"""What is known of a page: the next one reads as if it were the first, however it comes and whatever was changed."""

import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concierge_courier.sources import cells, exposition, layout, port, prometheus
from concierge_proto import errors
from tests.unit.courier import pages

PAGE = b"""\
# HELP calls Of all.
# TYPE calls summary
calls{method="GET",quantile="0.5",uri="/a b"} 0.25
calls{method="GET",quantile="0.99",uri="/a b"} NaN
calls_sum{method="GET",uri="/a b"} 17.5
calls_count{method="GET",uri="/a b"} 3
# TYPE up gauge
up 1

load{zone="caf\xc3\xa9"}\t-2.5
free{a="b"}7
"""


@pytest.fixture
def piece(monkeypatch: pytest.MonkeyPatch) -> int:
    """Return how many bytes are read at once: so few that a page has many."""
    monkeypatch.setattr(cells, "_BATCH", 64)
    return 64


def outcome(decoder: prometheus.Decoder, *chunks: bytes) -> port.Reading | str:
    try:
        return decoder.stream(chunks)
    except errors.Temporary as error:
        return str(error)


def chopped(page: bytes, size: int) -> Iterator[bytes]:
    return (page[start : start + size] for start in range(0, len(page), size))


@pytest.mark.usefixtures("piece")
@pytest.mark.parametrize("size", [1, 7, 63, 64, 65, 1000])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["lines", "windows"])
def test_it_does_not_matter_how_a_page_is_chopped(size: int, end: bytes) -> None:
    page = b"\xef\xbb\xbf" + PAGE.replace(b"\n", end)
    decoder = prometheus.Decoder()
    for _ in range(2):
        assert decoder.stream(chopped(page, size)) == prometheus.decode(PAGE)


lines = st.sampled_from([*PAGE.splitlines(), b"", b"up", b"up 1 9", b"up1 2", b"# EOF", b"odd{ 1", b"x 1\r"])
words = st.sampled_from(
    [b"1", b" 2.5", b"NaN", b"-Inf", b"7 1712000000", b"+1,2", b"null", b"", b"[1", b"5]", b'"']
)


@st.composite
def edited(draw: st.DrawFn) -> bytes:
    """Draw the page with other values, or with other lines, too."""
    found = PAGE.splitlines()
    for at in draw(st.sets(st.integers(0, len(found) - 1), max_size=6)):
        head, blank, _ = found[at].rpartition(b" ")
        found[at] = head + blank + draw(words)
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        at = draw(st.integers(0, len(found) - 1))
        found[at : at + draw(st.integers(0, 2))] = draw(st.lists(lines, max_size=2))
    return b"\n".join(found) + draw(st.sampled_from([b"", b"\n", b"\n\n"]))


@pytest.mark.parametrize("size", [64, 131072])
@given(st.lists(edited(), min_size=2, max_size=4), st.integers(1, 200))
@settings(max_examples=120, deadline=None)
def test_any_page_after_any_other_reads_as_if_it_were_the_first(
    size: int, several: list[bytes], chunk: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "_BATCH", size)
        remembering = prometheus.Decoder()
        for page in several:
            assert outcome(remembering, *chopped(page, chunk)) == outcome(prometheus.Decoder(), page)


@pytest.mark.parametrize("stamp", ["1", "1712000000000", "-5"])
def test_a_time_stamp_is_no_value(stamp: str, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = prometheus.Decoder()
    decoder.decode(f"up 1 {stamp}\nload 2\n".encode())
    monkeypatch.setattr(exposition, "study", lambda text: pytest.fail("studied again"))
    assert pages.cells(decoder.decode(b"up 7 1712000000099\nload 2\n")) == {
        "gauge[up,value]": 7,
        "gauge[load,value]": 2,
    }


def test_a_page_that_broke_off_is_not_the_end_of_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Iterator[bytes]:
        yield PAGE[:100]
        raise errors.Temporary("broke off")

    decoder = prometheus.Decoder()
    first = decoder.decode(PAGE)
    with pytest.raises(errors.Temporary, match="broke off"):
        decoder.stream(broken())
    monkeypatch.setattr(exposition, "study", lambda text: pytest.fail("studied again"))
    assert decoder.decode(PAGE) == first


def test_the_text_of_a_known_page_is_never_in_memory_as_a_whole() -> None:
    def chunks(value: float) -> Iterator[bytes]:
        for start in range(0, 20_000, 500):
            yield b"".join(
                b'calls{uri="/%s/%d"} %r\n' % (b"x" * 200, at, value) for at in range(start, start + 500)
            )

    size = sum(map(len, chunks(0.5)))
    decoder = prometheus.Decoder()
    decoder.stream(chunks(0.25))
    tracemalloc.start()
    reading = decoder.stream(chunks(0.5))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert set(reading.blocks[0].values) == {0.5}
    assert peak < size / 2


def test_a_page_is_made_again_of_its_values() -> None:
    known = layout.Layout()
    for head in ("a ", 'b{c="d"}'):
        known.sample(head)
    known.other("# a comment")
    found, other = known.values([b'a 1\nb{c="d"} 2', b"# a comment"])
    assert (found, other) == (["1\n 2", "0"], None)
    assert list(known.page(found)) == [b'a 1\nb{c="d"} 2', b"# a comment"]


@pytest.mark.parametrize(
    "page", [b"a 1\na 2", b"a 1", b"b 1\n#", b"a 1\n# ", b"a 1\n", b"a1\n#"], ids=range(6)
)
def test_other_lines_end_it(page: bytes) -> None:
    known = layout.Layout()
    known.sample("a ")
    known.other("#")
    found, other = known.values([page])
    assert (found, other) == (["1"], None) if page == b"a 1" else ([], page)


def test_a_name_that_is_kept_anyway_is_kept_once() -> None:
    study, _ = exposition.study(b'up{a="b"} 1\nup{a="c"} 2\n')
    assert all(head is name for head, name in zip(study.layout._heads, study.tables[0].names, strict=True))
