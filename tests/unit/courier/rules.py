"""Pages that each break a rule of OpenMetrics, under the names that the format's public test data give the rules.

The words are our own. Behind a name stands its number when there are several: `bad_help_0`.
"""

END = "# EOF\n"
_LONG = "x" * 129
_ACCENTED = "e\u0301" * 65


def _page(*lines: str) -> str:
    return "\n".join([*lines, END])


def _each(pattern: str, *words: str) -> tuple[str, ...]:
    return tuple(_page(pattern.replace("WORD", word)) for word in words)


def _typed(kind: str, *bodies: str) -> tuple[str, ...]:
    return tuple(_page(f"# TYPE m {kind}", body.replace("LAST", 'm_bucket{le="+Inf"}')) for body in bodies)


def _twice(*times: tuple[str, str]) -> tuple[str, ...]:
    return tuple(_page("# TYPE queue gauge", f"queue 7{one}", f"queue 8{other}") for one, other in times)


_HISTOGRAM_VALUES = (
    "m_sum NaN",
    "m_count NaN",
    "LAST NaN",
    "m_sum -4",
    "m_count -4",
    "LAST -4",
    'm_bucket{le="-2.5"} 3\nLAST 5\nm_count 5\nm_sum -6',
    'm_bucket{le="-2.5"} 3\nLAST 5\nm_count 5\nm_sum 6',
    "LAST 2.5",
    "LAST 2.5\nm_count 2.5\nm_sum 0",
)
_GAUGE_HISTOGRAM_VALUES = (
    "LAST NaN",
    "LAST -4\nm_gcount -4",
    "LAST -4",
    "LAST 6\nm_gsum -6",
    "LAST 6\nm_gsum NaN",
    "LAST 2.5",
    "LAST 2.5\nm_gsum 2.5\nm_gcount 0",
)

_FAMILIES: dict[str, tuple[str, ...]] = {
    "bad_no_eof": ("queue 4\n",),
    "bad_blank_line": (_page("queue 4", "", "rank 2"),),
    "bad_text_after_eof": ("queue 4\n# EOF\nmore", "queue 4\n# EOFmore"),
    "bad_missing_or_wrong_quotes_on_label_value": _each(
        "queue{WORD} 4", "shop=east", 'shop="east', "shop='east'"
    ),
    "bad_missing_equal_or_label_value": _each(
        "queue{WORD} 4", "shop", 'shop"east"', 'shop""', "shop=", 'shop="'
    ),
    "bad_missing_or_extra_commas": _each(
        "queue{WORD} 4", 'shop="e"till="2"', 'shop="e",,till="2"', 'shop="e",till="2",'
    ),
    "bad_invalid_labels": _each(
        "queue{WORD",
        '9a="e"} 4',
        '9a="e"}4',
        'shop="e",shop="e"} 4',
        'shop="e"till} 4',
        '9a="e # w"} 4',
        'shop=" #e",shop=" #e"} 4',
        'shop="e # w"}4',
        'shop="e # w",till=}4',
        'shop="e # w"till}4',
    ),
    "bad_missing_value": _each("queueWORD", "", " "),
    "bad_help": _each(
        "WORD", "# HELP", "# HELP ", "# HELP queue", "# HELP queue\t", " # HELP queue Waiting."
    ),
    "bad_type": _each(
        "# TYPEWORD",
        "",
        " ",
        " queue",
        " queue\t",
        " queue row",
        " queue row ",
        " queue gauge ",
        " queue untyped",
    ),
    "bad_unit": (
        *_each("# UNITWORD", "", " ", " wait", " wait\t", " wait seconds", " wait_seconds seconds "),
        *_each("# TYPE wait_seconds WORD\n# UNIT wait_seconds seconds", "info", "stateset"),
    ),
    "bad_metadata_in_wrong_place": (
        _page("# HELP queue Waiting.", "queue 4", "# TYPE queue gauge"),
        _page("# TYPE queue gauge", "queue 4", "# HELP queue Waiting."),
        _page("# TYPE wait_s gauge", "wait_s 4", "# UNIT wait_s s"),
    ),
    "bad_repeated_metadata": _each(
        "WORD\nWORD", "# HELP queue ", "# HELP queue Waiting.", "# TYPE queue gauge", "# UNIT wait_s s"
    ),
    "bad_metadata": (_page("# NOTE queue Waiting."),),
    "bad_metric_names": _each("WORD 4", "4queue", "queue.east", "queue-east"),
    "bad_value": _each(
        "queue WORD",
        *("many", " 4", "4\t", "4 ", "4_0", "0x4p-1", "0X4P-1", "0b100", "0B100", "0x4", "0X4", "0o4", "0O4"),
    ),
    "bad_timestamp": _each(
        "queue 4 WORD", "now", "9now", "9_0", "9.0.1", "NaN", "Inf", "+Inf", "-Inf", "0x9p-1"
    ),
    "bad_exemplars": (
        *_each(
            '# TYPE took histogram\ntook_bucket{le="+Inf"} 6WORD',
            " #",
            '# {span="a"} 2',
            ' #{span="a"} 2',
            ' # {span="a"}2',
            ' # {span="a"} 2 ',
            ' # {span="a"} 2 3 ',
            f' # {{span="{_LONG}"}} 2 3',
            " # {} 0x2p-1",
            " # {} 2 0x3p-1",
        ),
        *_each(
            "# TYPE orders counter\norders_total 6 9 WORD",
            '# {span="a"}  ',
            '# span="a"} 2',
            '#span="a # b"} 2',
            'span="a # b"} 2',
        ),
    ),
    "bad_exemplar_timestamp": _each(
        "# TYPE orders counter\norders_total 6 # {} 2 WORD", "NaN", "Inf", "-Inf"
    ),
    "bad_exemplar_complex_chars": (
        _page(f'# TYPE orders counter\norders_total 6 # {{span="{_ACCENTED}"}} 2'),
    ),
    "bad_exemplars_size_0": (
        _page(f'# TYPE orders counter\norders_total{{shop="e"}} 6 # {{a="{_LONG}"}} 2'),
    ),
    "bad_exemplars_on_unallowed_samples": _each(
        'WORD 6 # {span="a"} 2',
        "# TYPE took histogram\ntook_sum",
        "# TYPE age gaugehistogram\nage_sum",
        "# TYPE age_bucket gauge\nage_bucket",
        "# TYPE orders counter\norders_created",
    ),
    "bad_exemplars_on_unallowed_metric_types": _each(
        'WORD 1 # {span="a"} 2',
        "# TYPE queue gauge\nqueue",
        "# TYPE build info\nbuild_info",
        '# TYPE door stateset\ndoor{door="open"}',
    ),
    "bad_stateset_info_values": tuple(
        page for value in ("3", "3.0") for kind in ("stateset", "info") for page in _typed(kind, f"m {value}")
    ),
    "bad_info_and_stateset_values": (
        *_typed("info", 'm_info{version="1.2"} 3'),
        *_typed("stateset", 'm{m="open"} 3'),
    ),
    "bad_missing_or_invalid_labels_for_a_type": (
        *_typed("summary", "m 3", *(f'm{{quantile="{odd}"}} 3' for odd in ("-0.5", "half", "1.5", "NaN"))),
        *_typed("histogram", "m_bucket 3"),
        *_typed("gaugehistogram", "m_bucket 3"),
        *_typed("stateset", "m 1"),
    ),
    "bad_counter_values": (
        *_typed("counter", "m_total NaN", "m_total -4"),
        *_typed("histogram", *_HISTOGRAM_VALUES),
        *_typed("gaugehistogram", *_GAUGE_HISTOGRAM_VALUES),
        *_typed("summary", "m_sum NaN", "m_count NaN", "m_sum -4", "m_count -4", "m_count 2.5"),
        *_typed("summary", 'm{quantile="0.75"} -4'),
    ),
    "bad_histograms": (
        *_typed("histogram", "m_sum 5", "LAST 3\nm_sum 5", "LAST 3\nm_count 3"),
        *_typed("histogram", 'm_bucket{le="-2"} 3\nLAST 3\nm_sum 5\nm_count 3'),
        *_typed("gaugehistogram", "m_gsum 5", "LAST 3\nm_gsum 5", "LAST 3\nm_gcount 3"),
        *_typed("gaugehistogram", "LAST 3\nm_gsum -5\nm_gcount 3"),
        *_typed("histogram", "m_count 4\nLAST 3", "LAST 3\nm_count 4", 'm_bucket{le="+INF"} 3'),
        *_typed("histogram", 'm_bucket{le="8"} 3\nm_bucket{le="4"} 3\nLAST 3'),
        *_typed("histogram", 'm_bucket{le="4"} 5\nm_bucket{le="8"} 5\nLAST 3'),
        *_typed("histogram", "LAST 3\n#m_sum 5", "LAST 3\n#m_count 3"),
    ),
    "bad_grouping_or_ordering": (
        *_typed("histogram", 'm_sum{shop="e"} 5\nm_sum{shop="w"} 6\nm_count{shop="e"} 3'),
        *_typed(
            "histogram", 'm_bucket{shop="e",le="4"} 3\nm_bucket{shop="w",le="+Inf""} 4\nm_count{shop="e"} 5'
        ),
        *_typed("gaugehistogram", 'm_gsum{shop="e"} 5\nm_gsum{shop="w"} 6\nm_gcount{shop="e"} 3'),
        *_typed("summary", 'm{quantile="0"} 2\nm_sum{shop="e"} 5\nm{quantile="1"} 4'),
        *_twice(
            (" -4", " -5"),
            (" -4", " -4.5"),
            (" 4", " -4"),
            (" 4.5", " 4"),
            (" 4", " 0"),
            ("", " 0"),
            (" 0", ""),
        ),
    ),
    "bad_clashing_names": _each(
        "WORD\n# TYPE orders counter",
        "# TYPE orders counter",
        "# TYPE orders info",
        "# TYPE orders_created gauge",
    ),
}

RULES = {
    name if len(pages) == 1 else f"{name}_{at}": page
    for name, pages in _FAMILIES.items()
    for at, page in enumerate(pages)
}
"""By the name of the rule the page."""
