"""Prometheus's text and OpenMetrics: case by case, against prometheus_client, and against garbage."""

import math
import time
import tracemalloc

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concierge_courier.sources import exposition, port, prometheus
from concierge_proto import codec, errors, messages
from tests.unit.courier import pages

OLD = ("gauge", "counter", "histogram", "summary", "untyped")
MODERN = ("gauge", "counter", "histogram", "summary", "unknown", "info", "stateset")


def decode(*lines: str) -> port.Reading:
    return prometheus.decode("\n".join([*lines, ""]).encode())


def cells(*lines: str) -> pages.Cells:
    return pages.cells(decode(*lines))


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ("up 1", "up", 1),
        ("up\t1.5", "up", 1.5),
        ("  up   -3  ", "up", -3),
        ("up{} 1", "up", 1),
        ("up{ } 1", "up", 1),
        ('up{a="b"} 1e3', 'up{a="b"}', 1000.0),
        ('up{a="b",} 1', 'up{a="b"}', 1),
        ('up { a = "b" , c = "d" } 1', 'up{a="b",c="d"}', 1),
        ('up{z="1",a="2"} 1', 'up{a="2",z="1"}', 1),
        ('up{a="} 5"} 1', 'up{a="} 5"}', 1),
        ('up{a=" # {x=\\"y\\"} 5"} 1', 'up{a=" # {x=\\"y\\"} 5"}', 1),
        (r'up{a="\"q\"\\\n\t"} 1', r'up{a="\"q\"\\\n\\t"}', 1),
        ('up{a="é, ü"} 1', 'up{a="é, ü"}', 1),
        ("up 1 1712000000000", "up", 1),
        ("up 1 -5", "up", 1),
        ("a:b_c9 1", "a:b_c9", 1),
        ("up 9223372036854775807", "up", 2**63 - 1),
        ("up 9223372036854775808", "up", float(2**63)),
        ("up 1e308", "up", 1e308),
        ("up .5", "up", 0.5),
        ('{"http.requests",a="b"} 1', '{"http.requests",a="b"}', 1),
        ('{"up"} 1', "up", 1),
        ('up{"my.label"="x"} 1', 'up{"my.label"="x"}', 1),
    ],
)
def test_a_sample(line: str, key: str, value: float) -> None:
    found = cells(line)
    assert found == {f"gauge[{key},value]": value}
    assert type(next(iter(found.values()))) is type(value)


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf", "Inf", "1e999"])
def test_no_number_is_absent_and_counted_and_keeps_its_name(value: str) -> None:
    reading = decode(f"bad {value}", "good 1")
    assert pages.cells(reading) == {"gauge[good,value]": 1}
    assert reading.blocks[0].names == ("bad", "good")
    assert reading.unusable == 1


@pytest.mark.parametrize(
    "line",
    [
        "bad",
        "bad ",
        "bad{ 1",
        'bad{a="b} 1',
        'bad{a="b"} ',
        "bad{a=b} 1",
        'bad{a="b" c="d"} 1',
        'bad{a="1",a="2"} 1',
        'bad{="b"} 1',
        'bad{"x","y"} 1',
        "bad 1_000",
        "bad ٣",
        "bad 0x1",
        "bad one",
        "bad 1 soon",
        "bad 1 2 3",
        "9bad 1",
        "bad-name 1",
        '{a="b"} 1',
        "bad null",
        'bad{a="' + "x" * 70_000 + '"} 1',
    ],
)
def test_an_odd_line_is_counted_and_harms_no_neighbour(line: str) -> None:
    reading = decode("good 1", line, "fine 2")
    assert pages.cells(reading) == {"gauge[good,value]": 1, "gauge[fine,value]": 2}
    assert reading.unusable == 1


def test_a_histogram_is_one_row_and_its_buckets_are_counters() -> None:
    assert cells(
        "# TYPE h histogram",
        'h_bucket{m="get",le="0.5"} 3',
        'h_bucket{m="get",le="+Inf"} 4',
        'h_sum{m="get"} 1.5',
        'h_count{m="get"} 4',
    ) == {
        'counter[h_bucket{le="0.5",m="get"},value]': 3,
        'counter[h_bucket{le="+Inf",m="get"},value]': 4,
        'histogram[h{m="get"},sum]': 1.5,
        'histogram[h{m="get"},count]': 4,
    }


def test_a_summary_is_one_row_with_the_fields_of_dropwizards_histogram() -> None:
    assert cells(
        "# TYPE s summary",
        's{quantile="0.5"} 1.5',
        's{quantile="0.99"} 2',
        's{quantile="0.999"} NaN',
        's{quantile="0.123"} 7',
        "s_sum 9",
        "s_count 4",
    ) == {
        "histogram[s,p50]": 1.5,
        "histogram[s,p99]": 2,
        'gauge[s{quantile="0.123"},value]': 7,
        "histogram[s,sum]": 9,
        "histogram[s,count]": 4,
    }


def test_a_counter_of_either_format_has_one_name() -> None:
    old = cells("# TYPE c_total counter", "c_total 5")
    assert old == cells("# TYPE c counter", "c_total 5", "# EOF") == {"counter[c_total,value]": 5}


def test_the_newer_types_are_gauges_with_their_labels() -> None:
    assert cells(
        "# TYPE build info",
        'build_info{version="1.2"} 1',
        "# TYPE mode stateset",
        'mode{mode="on"} 1',
        'mode{mode="off"} 0',
        "# TYPE g gaugehistogram",
        'g_bucket{le="+Inf"} 3',
        "g_gcount 3",
        "# TYPE what unknown",
        "what 4",
        "# TYPE c counter",
        "c_total 1",
        "c_created 1.7e9",
        "# EOF",
    ) == {
        'gauge[build_info{version="1.2"},value]': 1,
        'gauge[mode{mode="on"},value]': 1,
        'gauge[mode{mode="off"},value]': 0,
        'gauge[g_bucket{le="+Inf"},value]': 3,
        "gauge[g_gcount,value]": 3,
        "gauge[what,value]": 4,
        "counter[c_total,value]": 1,
        "gauge[c_created,value]": 1.7e9,
    }


def test_blanks_before_a_comment_are_of_no_account() -> None:
    reading = decode("  # TYPE c counter", " #", " ", "\t# more", "c 5")
    assert pages.cells(reading) == {"counter[c,value]": 5}
    assert reading.unusable == 0


def test_a_type_counts_wherever_it_stands() -> None:
    assert cells("c_total 5", "# TYPE c_total counter") == {"counter[c_total,value]": 5}


def test_an_exemplar_and_a_time_are_passed_over() -> None:
    page = ("# TYPE c counter", 'c_total{a="b"} 5 1.5 # {trace_id="x} y"} 0.67 1.5', "# EOF")
    assert cells(*page) == {'counter[c_total{a="b"},value]': 5}


@pytest.mark.parametrize(
    "page", [("# TYPE i info", "i_info 1"), ('c_total 1 # {a="b"} 1',), ("# TYPE x unknown",)]
)
def test_openmetrics_without_its_end_is_refused(page: tuple[str, ...]) -> None:
    with pytest.raises(errors.Temporary, match="broke off"):
        decode(*page)
    decode(*page, "# EOF")


def test_of_a_value_said_twice_the_last_counts_and_it_is_told() -> None:
    reading = decode('a{x="1",y="2"} 1', 'a{y="2",x="1"} 2')
    assert pages.cells(reading) == {'gauge[a{x="1",y="2"},value]': 2}
    assert reading.unusable == 1


def test_invalid_utf8_costs_that_name_alone() -> None:
    reading = prometheus.decode(b'a{b="caf\xe9"} 1\nb 2\n')
    assert pages.cells(reading) == {'gauge[a{b="caf\ufffd"},value]': 1, "gauge[b,value]": 2}


@pytest.mark.parametrize("page", [b"", b"\n", b"# HELP a b\n", b"# EOF\n"])
def test_a_page_without_metrics_is_empty_not_wrong(page: bytes) -> None:
    assert prometheus.decode(page) == port.Reading(())


@pytest.mark.parametrize(
    "body",
    [b"<html>\n<body>", b'{"status": "UP"}', b"\x1f\x8b\x08\x00", b"\x00" * 100, b'{"a":' * 100_000],
    ids=["html", "json", "gzip", "zeros", "braces"],
)
def test_anything_else_is_refused_with_a_sentence(body: bytes) -> None:
    with pytest.raises(errors.Temporary, match="no Prometheus text: line 1 is"):
        prometheus.decode(body)


def test_ends_of_lines_and_of_the_page_may_be_others() -> None:
    assert pages.cells(prometheus.decode(b"\xef\xbb\xbfa 1\r\n# TYPE b counter\r\nb 2")) == {
        "gauge[a,value]": 1,
        "counter[b,value]": 2,
    }


@given(pages.pages(*OLD))
@settings(max_examples=150, deadline=None)
def test_reads_the_older_format_as_prometheus_client_does(found: list[pages.Family]) -> None:
    page = pages.written(found)
    assert pages.cells(prometheus.decode(page.encode())) == pages.expected(page)


@given(pages.pages(*MODERN))
@settings(max_examples=150, deadline=None)
def test_reads_openmetrics_as_prometheus_client_does(found: list[pages.Family]) -> None:
    page = pages.written(found, modern=True)
    assert pages.cells(prometheus.decode(page.encode())) == pages.expected(page, modern=True)


class TestTheSecondPage:
    """What is known of the first one must never show in the second."""

    def second(self, first: bytes, second: bytes) -> port.Reading:
        decoder = prometheus.Decoder()
        decoder.decode(first)
        return decoder.decode(second)

    def test_costs_its_numbers_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        decoder = prometheus.Decoder()
        decoder.decode(b'# TYPE a counter\na{b="c d"} 1\nb 2\n')
        monkeypatch.setattr(exposition, "study", lambda text: pytest.fail("studied again"))
        reading = decoder.decode(b'# TYPE a counter\na{b="c d"} 7\nb NaN\n')
        assert pages.cells(reading) == {'counter[a{b="c d"},value]': 7}
        assert reading.unusable == 1

    @pytest.mark.parametrize(
        "page",
        [
            b"# TYPE a gauge\na 1\nb 2\n",
            b"# TYPE a counter\na 1\nb 2\nc 3\n",
            b"# TYPE a counter\na 1\nc 2\n",
            b"# TYPE a counter\nb 1\na 2\n",
            b"# TYPE a counter\na 1 1\nb 2\n",
            b"# TYPE a counter\na 1\t9\nb 2\n",
            b"# TYPE a counter\na 1_0\nb 2\n",
            b"# TYPE a counter\na 1,2\nb 2\n",
            b"# TYPE a counter\na 1\x0b\nb 2\n",
            b"# TYPE a counter\na 1\rx\nb 2\n",
            b"# TYPE a counter\na 1\nb 2\r\r",
            b" # TYPE a gauge\na 1\nb 2\n",
            b" #\na 1\nb 2\n",
            b"#\na 1\nb 2\n",
            b"# TYPE a counter\na null\nb 2\n",
            b"# TYPE a counter\na bad\nb 2\n",
            b"# TYPE a counter\na \nb 2\n",
            b"# TYPE a counter\na 007\nb +2\n",
            b"# TYPE a counter\na 9223372036854775808\nb 1e999\n",
        ],
    )
    def test_may_be_another(self, page: bytes) -> None:
        first = b"# TYPE a counter\na 1\nb 2\n"
        assert self.second(first, page) == prometheus.decode(page)
        assert self.second(page, first) == prometheus.decode(first)

    @given(
        st.lists(
            st.lists(
                st.sampled_from(["a", "b", "1", "2.5", "NaN", "-0", "#", " ", "\n", '{x="y z"}', "null"])
            ),
            min_size=2,
            max_size=4,
        )
    )
    @settings(max_examples=150, deadline=None)
    def test_reads_as_if_it_were_the_first(self, found: list[list[str]]) -> None:
        decoder = prometheus.Decoder()
        for page in ["".join(parts).encode() for parts in found]:
            assert outcome(decoder, page) == outcome(prometheus.Decoder(), page)

    def test_garbage_between_two_pages_is_forgotten(self) -> None:
        decoder = prometheus.Decoder()
        first = decoder.decode(b"a 1\n")
        with pytest.raises(errors.Temporary):
            decoder.decode(b"<html>\n")
        assert decoder.decode(b"a 1\n") == first


def outcome(decoder: prometheus.Decoder, page: bytes) -> port.Reading | str:
    try:
        return decoder.decode(page)
    except errors.Temporary as error:
        return str(error)


def sound(reading: port.Reading) -> None:
    for block in reading.blocks:
        assert len(block.values) == len(block.names) * len(block.fields)
        assert len(set(block.names)) == len(block.names)
        assert all(math.isfinite(value) for value in block.values if isinstance(value, float))
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(block), type=messages.Block) == block


pieces = st.sampled_from(
    [
        b"a",
        b" ",
        b"\n",
        b'"',
        b"{",
        b"}",
        b"\\",
        b"=",
        b",",
        b"# TYPE ",
        b"# EOF",
        b" summary",
        b"quantile",
        b"1",
        b"_sum",
    ]
)


@given(st.lists(pieces | st.binary(max_size=4), max_size=60).map(b"".join))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    decoder = prometheus.Decoder()
    for _ in range(2):
        try:
            sound(decoder.decode(body))
        except errors.Temporary as error:
            assert str(error)  # noqa: PT017 - either end is right


def test_a_page_cut_anywhere_is_read_or_refused() -> None:
    page = b'# TYPE s summary\ns{quantile="0.5",a="\\"x"} 1.5\ns_count 5 # {a="b"} 1\n# EOF\n'
    for end in range(len(page)):
        outcome(prometheus.Decoder(), page[:end])


def test_survives_the_bus() -> None:
    reading = decode("# TYPE s summary", 's{quantile="0.5",a="b,c"} 1.5', "up 1", 'x{a="\\n"} NaN')
    snapshot = messages.Snapshot(
        service="web", instance="web-1", time_ns=1, seq=1, boot="b", blocks=reading.blocks
    )
    assert codec.decode(messages.Snapshot, *codec.encode(snapshot)) == snapshot


def test_a_hundred_thousand_metrics_are_read() -> None:
    body = b"".join(b'requests{path="/%d"} %d\n' % (at, at) for at in range(100_000))
    found = prometheus.decode(body)
    assert len(found.blocks[0].names) == 100_000
    assert found.blocks[0].values[-1] == 99_999


@pytest.mark.parametrize(
    "body",
    [
        b"a 1\n" * 4_000_000,
        b"\n" * 16_000_000,
        b"".join(b"a%d 1\n" % at for at in range(250_000)),
        b'a{b="' + b"\\x" * 8_000_000,
        b"a{" * 8_000_000,
        b"a{" + b'"",' * 5_000_000,
        b"# TYPE " + b"a" * 16_000_000,
        b" " * 16_000_000,
    ],
    ids=["lines", "empty", "samples", "escapes", "braces", "labels", "type", "blanks"],
)
def test_too_much_is_refused_at_once_and_in_bounded_memory(body: bytes) -> None:
    begun = time.process_time()
    tracemalloc.start()
    outcome(prometheus.Decoder(), body)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 16 * 2**20
    assert time.process_time() - begun < 10
