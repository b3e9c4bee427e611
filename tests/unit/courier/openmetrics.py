"""Pages of OpenMetrics, one per rule of the format's public test data, and what a courier makes of each.

GOOD are valid; most bear the name that the public data give the like. BROKEN break one rule each; a courier is no judge of the application, so where a sample can be
read it is, and what can't be read is counted. Only a page that is torn, or is none, is refused: None.
"""

from typing import NamedTuple

END = "# EOF\n"


class Broken(NamedTuple):
    """A page that breaks a rule."""

    rule: str
    page: str
    cells: dict[str, float] | None
    """What is read of it all the same; None: the page is refused."""
    unusable: int = 0


GOOD = {
    "empty": "",
    "simple_counter": "# TYPE orders counter\n# HELP orders Taken.\norders_total 17.0\norders_created 1.5e9\n",
    "simple_gauge": "# TYPE queue gauge\n# HELP queue Waiting.\nqueue 4\n",
    "simple_histogram": '# TYPE took histogram\ntook_bucket{le="0.1"} 0\ntook_bucket{le="+Inf"} 3\n'
    "took_count 3\ntook_sum 2.25\n",
    "histogram with its creation": '# TYPE took histogram\ntook_bucket{le="+Inf"} 1\ntook_count 1\n'
    "took_sum 0.5\ntook_created 1.7e9\n",
    "simple_histogram_float_values": '# TYPE took histogram\ntook_bucket{le="1.0"} 0.0\ntook_bucket{le="+Inf"} 3.0\n'
    "took_count 3.0\ntook_sum 2.0\n",
    "negative_bucket_histogram": '# TYPE heat histogram\nheat_bucket{le="-1.0"} 1\nheat_bucket{le="+Inf"} 2\n',
    "simple_gaugehistogram": '# TYPE age gaugehistogram\nage_bucket{le="5.0"} 2\nage_bucket{le="+Inf"} 3\n'
    "age_gcount 3\nage_gsum 11\n",
    "negative_bucket_gaugehistogram": '# TYPE heat gaugehistogram\nheat_bucket{le="-1.0"} 1\n'
    'heat_bucket{le="+Inf"} 2\nheat_gcount 2\nheat_gsum -3.5\n',
    "simple_summary": "# TYPE size summary\nsize_count 5\nsize_sum 60\nsize_created 1.7e9\n",
    "summary_quantiles": '# TYPE size summary\nsize{quantile="0.5"} 10\nsize{quantile="0.99"} 31.5\n'
    'size{quantile="1"} NaN\nsize_count 5\nsize_sum 60\n',
    "simple_stateset": '# TYPE door stateset\ndoor{door="open"} 1\ndoor{door="shut"} 0\n',
    "simple_info": '# TYPE build info\nbuild_info{version="1.2",commit="abc"} 1\n',
    "info_timestamps": "# TYPE build info\nbuild_info 1.0 1712000000\n",
    "untyped": "# TYPE odd unknown\nodd 3\n",
    "no_metadata": "odd 1\n",
    "type_help_switched": "# HELP queue Waiting.\n# TYPE queue gauge\nqueue 4\n",
    "empty_help": "# TYPE queue gauge\n# HELP queue \nqueue 4\n",
    "help alone": "# HELP queue Waiting.\n",
    "type alone": "# TYPE queue histogram\n",
    "help_escaping": '# HELP queue A \\n line, a \\\\, a \\"quote".\nqueue 4\n',
    "unit_gauge": "# TYPE wait_seconds gauge\n# UNIT wait_seconds seconds\nwait_seconds 0.25\n",
    "counter_unit": "# TYPE busy_seconds counter\n# UNIT busy_seconds seconds\nbusy_seconds_total 9\n",
    "empty_brackets": "# TYPE queue gauge\nqueue{} 4\n",
    "empty_label": '# TYPE queue gauge\nqueue{shop=""} 4\nqueue{shop="a"} 5\n',
    "escaping": '# TYPE queue gauge\nqueue{shop="a\\\\"} 1\nqueue{shop="\\"b\\""} 2\nqueue{shop="c\\nd"} 3\n',
    "label_escaping": '# TYPE queue gauge\nqueue{a="\\\\n",b="\\\\\\"",c="\\\\\\\\"} 1\n',
    "hash_in_label_value": '# TYPE orders counter\norders_total{shop=" # "} 1 # {id=" # "} 0.5\n',
    "labels_with_curly_braces": '# TYPE queue gauge\nqueue{shop="a}b{c"} 2\n',
    "commas and blanks in a label": '# TYPE queue gauge\nqueue{shop=" a, b = c "} 2\n',
    "wide characters": '# TYPE queue gauge\nqueue{shop="\u2603 \U0001f600"} 2\n',
    "nan_gauge": "# TYPE queue gauge\nqueue NaN\n",
    "labels_and_infinite": '# TYPE queue gauge\nqueue{a="1"} +Inf\nqueue{a="2"} -Inf\n',
    "notations": '# TYPE queue gauge\nqueue{a="1"} 1e+3\nqueue{a="2"} -.5\nqueue{a="3"} +2\nqueue{a="4"} 007.50\n',
    "timestamps": "# TYPE queue gauge\nqueue 1 0\n# TYPE rank gauge\nrank 2 1712000000.5\n"
    "# TYPE stock gauge\nstock 3 -10.1\n# TYPE temp gauge\ntemp 4 1e3\n# TYPE tide gauge\ntide 5 -.25\n",
    "histogram_exemplars": '# TYPE took histogram\ntook_bucket{le="1.0"} 1 # {trace="x"} 0.4\n'
    'took_bucket{le="+Inf"} 2 # {trace="y",span="z"} 1.5 1712000000.5\ntook_count 2\ntook_sum 1.9\n',
    "empty exemplar": "# TYPE orders counter\norders_total 1 # {} 0.5\n",
    "counter_exemplars": '# TYPE orders counter\norders_total 1 1712000000 # {a="b"} 0.5 1712000001\n',
    "exemplars_wide_chars": '# TYPE orders counter\norders_total 1 # {shop="\u2603"} 0.5\n',
    "null_byte": '# TYPE queue gauge\nqueue{shop="a\0b"} 1\n',
    "name in quotes": '# TYPE "web.queue" gauge\n{"web.queue",shop="a"} 4\n',
    "label in quotes": '# TYPE queue gauge\nqueue{"shop.name"="a"} 4\n',
    "uint64_counter": "# TYPE orders counter\norders_total 18446744073709551616\n",
    "float_gauge": "# TYPE heat gauge\nheat 36.6\n",
    "leading_zeros_simple_gauge": "# TYPE queue gauge\nqueue 00000000000000000000000000000004\n",
    "leading_zeros_float_gauge": "# TYPE heat gauge\nheat 000000000000000000000036.6e-1\n",
    "nan": "heat NaN\n",
    "histogram_noncanonical": '# TYPE took histogram\ntook_bucket{le="0"} 0\ntook_bucket{le="5e-05"} 1\n'
    'took_bucket{le="0.0200"} 2\ntook_bucket{le="+Inf"} 3\ntook_count 3\ntook_sum 2.25\n',
    "gaugehistogram_exemplars": '# TYPE age gaugehistogram\nage_bucket{le="5.0"} 2 9 # {span="a"} 4\n'
    'age_bucket{le="+Inf"} 3 9 # {span="b"} 7 8\n',
    "counter_exemplars_empty_brackets": '# TYPE orders counter\norders_total{} 6 9 # {span="a"} 2\n',
    "exemplars_with_hash_in_label_values": "# TYPE took histogram\n"
    'took_bucket{shop="e # w",le="+Inf"} 3 # {span="} # ",shop="e # w"} 2\n',
    "empty_metadata": "# HELP queue \n# UNIT queue \n",
    "roundtrip": "# HELP queue Waiting.\n# TYPE queue gauge\nqueue 4.0\n# HELP size Sizes.\n# TYPE size summary\n"
    'size{quantile="0.0"} 0.013\nsize{quantile="0.25"} 2.478268416e+09\nsize{quantile="1.0"} 7\nsize_sum 56.12\n'
    "size_count 7476.0\n# HELP took Times.\n# TYPE took histogram\n"
    'took_bucket{le="1e-05"} 0.0\ntook_bucket{le="1e+23"} 17.0\ntook_bucket{le="+Inf"} 17.0\ntook_count 17.0\n'
    "took_sum 324789.3\ntook_created 1.520430000123e+09\n",
}

HISTOGRAM = '# TYPE took histogram\ntook_bucket{le="+Inf"} '
BUCKET = 'counter[took_bucket{le="+Inf"},value]'
ORDERS = "# TYPE orders counter\norders_total "

BROKEN = [
    Broken("no end", "# TYPE build info\nbuild_info 1\n", None),
    Broken("text behind the end", f"queue 1\n{END}rest", {"gauge[queue,value]": 1}, 1),
    Broken("blank line", f"queue 1\n\n{END}", {"gauge[queue,value]": 1}),
    Broken("label without quotes", f"queue{{a=1}} 1\n{END}", None),
    Broken("label that never ends", f'queue{{a="1}} 1\n{END}', None),
    Broken("label in single quotes", f"queue{{a='1'}} 1\n{END}", None),
    Broken("label without a value", f"queue{{a=}} 1\nrank 2\n{END}", {"gauge[rank,value]": 2}, 1),
    Broken("label without an equals sign", f'queue{{a"b"}} 1\nrank 2\n{END}', {"gauge[rank,value]": 2}, 1),
    Broken("missing comma", f'queue{{a="1"b="2"}} 1\nrank 2\n{END}', {"gauge[rank,value]": 2}, 1),
    Broken("two commas", f'queue{{a="1",,b="2"}} 1\nrank 2\n{END}', {"gauge[rank,value]": 2}, 1),
    Broken("comma at the end", f'queue{{a="1",}} 1\n{END}', {'gauge[queue{a="1"},value]': 1}),
    Broken("label's name", f'queue{{1="1"}} 1\nrank 2\n{END}', {"gauge[rank,value]": 2}, 1),
    Broken("label said twice", f'queue{{a="1",a="1"}} 1\nrank 2\n{END}', {"gauge[rank,value]": 2}, 1),
    Broken("no value", f"queue\nrank 2\n{END}", {"gauge[rank,value]": 2}, 1),
    Broken("blank, and no value", f"queue \nrank 2\n{END}", {"gauge[rank,value]": 2}, 1),
    Broken("help of nothing", f"# HELP\nqueue 1\n{END}", {"gauge[queue,value]": 1}),
    Broken("help that is indented", f" # HELP queue x\nqueue 1\n{END}", {"gauge[queue,value]": 1}),
    Broken("type of nothing", f"# TYPE \nqueue 1\n{END}", {"gauge[queue,value]": 1}),
    Broken("type that does not exist", f"# TYPE queue row\nqueue 1\n{END}", {"gauge[queue,value]": 1}),
    Broken("type of the older format", f"# TYPE queue untyped\nqueue 1\n{END}", {"gauge[queue,value]": 1}),
    Broken("unit that is no suffix", f"# UNIT queue seconds\nqueue 1\n{END}", {"gauge[queue,value]": 1}),
    Broken("unit of an info", f"# TYPE x_u info\n# UNIT x_u u\n{END}", {}),
    Broken("metadata behind its samples", f"queue 1\n# HELP queue x\n{END}", {"gauge[queue,value]": 1}),
    Broken("metadata twice", f"# HELP queue x\n# HELP queue x\nqueue 1\n{END}", {"gauge[queue,value]": 1}),
    Broken("other metadata", f"# WHAT queue x\nqueue 1\n{END}", {"gauge[queue,value]": 1}),
    Broken(
        "metric's name",
        f"0queue 1\na-b 2\nrank 3\nlist 4\n{END}",
        {"gauge[rank,value]": 3, "gauge[list,value]": 4},
        2,
    ),
    Broken("value that is a word", f"queue much\nrank 2\n{END}", {"gauge[rank,value]": 2}, 1),
    Broken("two blanks before a value", f"queue  1\n{END}", {"gauge[queue,value]": 1}),
    Broken("blank behind a value", f"queue 1 \n{END}", {"gauge[queue,value]": 1}),
    Broken("underscore in a value", f"queue 1_2\nrank 2\n{END}", {"gauge[rank,value]": 2}, 1),
    *(
        Broken(f"value {value}", f"queue {value}\nrank 2\n{END}", {"gauge[rank,value]": 2}, 1)
        for value in ("0x1p-3", "0b1", "0x1", "0o1", "0X1P-3")
    ),
    *(
        Broken(f"time {time}", f"queue 1 {time}\nrank 2\n{END}", {"gauge[rank,value]": 2}, 1)
        for time in ("z", "1z", "1_2", "NaN", "+Inf", "0x1p-3")
    ),
    Broken("time with two points", f"queue 1 1.1.1\n{END}", {"gauge[queue,value]": 1}),
    Broken(
        "times that run back",
        f"# TYPE queue gauge\nqueue 1 2\nqueue 3 1\n{END}",
        {"gauge[queue,value]": 3},
        1,
    ),
    Broken("exemplar of nothing", f"{HISTOGRAM}1 #\n{END}", {BUCKET: 1}),
    Broken("exemplar without a blank before", f"{HISTOGRAM}1# {{}} 1\n{END}", {BUCKET: 1}),
    Broken(
        "exemplar without a value", f'{ORDERS}1 1 # {{a="b"}} \n{END}', {"counter[orders_total,value]": 1}
    ),
    Broken(
        "exemplar without its mark", f'{ORDERS}1 1 {{a="b"}} 1\nrank 1\n{END}', {"gauge[rank,value]": 1}, 1
    ),
    Broken(
        "exemplar that is too long",
        f'{ORDERS}1 # {{a="{"b" * 129}"}} 1\n{END}',
        {"counter[orders_total,value]": 1},
    ),
    Broken("exemplar's time", f"{ORDERS}1 # {{}} 1 NaN\n{END}", {"counter[orders_total,value]": 1}),
    Broken("exemplar of a gauge", f"# TYPE queue gauge\nqueue 1 # {{}} 1\n{END}", {"gauge[queue,value]": 1}),
    Broken(
        "state that is neither",
        f'# TYPE door stateset\ndoor{{door="open"}} 2\n{END}',
        {'gauge[door{door="open"},value]': 2},
    ),
    Broken("info that is not 1", f"# TYPE build info\nbuild_info 2\n{END}", {"gauge[build_info,value]": 2}),
    Broken("summary without a quantile", f"# TYPE size summary\nsize 3\n{END}", {"gauge[size,value]": 3}),
    Broken(
        "quantile beyond 1",
        f'# TYPE size summary\nsize{{quantile="1.01"}} 3\n{END}',
        {'gauge[size{quantile="1.01"},value]': 3},
    ),
    Broken(
        "quantile that is a word",
        f'# TYPE size summary\nsize{{quantile="half"}} 3\n{END}',
        {'gauge[size{quantile="half"},value]': 3},
    ),
    Broken(
        "bucket without its end",
        f"# TYPE took histogram\ntook_bucket 3\n{END}",
        {"counter[took_bucket,value]": 3},
    ),
    Broken("counter below zero", f"{ORDERS}-1\n{END}", {"counter[orders_total,value]": -1}),
    Broken("counter that is no number", f"{ORDERS}NaN\n{END}", {}, 1),
    Broken("half a call", f"{HISTOGRAM}0.5\n{END}", {BUCKET: 0.5}),
    Broken("summary below zero", f"# TYPE size summary\nsize_count -1\n{END}", {"histogram[size,count]": -1}),
    Broken(
        "histogram without its last bucket",
        f"# TYPE took histogram\ntook_sum 1\n{END}",
        {"histogram[took,sum]": 1},
    ),
    Broken(
        "count that differs from the last bucket",
        f"{HISTOGRAM}0\ntook_count 1\ntook_sum 2\n{END}",
        {BUCKET: 0, "histogram[took,count]": 1, "histogram[took,sum]": 2},
    ),
    Broken(
        "buckets in disorder",
        f'# TYPE took histogram\ntook_bucket{{le="2"}} 0\ntook_bucket{{le="1"}} 0\ntook_bucket{{le="+Inf"}} 0\n{END}',
        {'counter[took_bucket{le="2"},value]': 0, 'counter[took_bucket{le="1"},value]': 0, BUCKET: 0},
    ),
    Broken(
        "groups in disorder",
        '# TYPE size summary\nsize_sum{a="1"} 0\nsize_sum{a="2"} 0\nsize_count{a="1"} 5\n' + END,
        {'histogram[size{a="1"},sum]': 0, 'histogram[size{a="2"},sum]': 0, 'histogram[size{a="1"},count]': 5},
    ),
    Broken(
        "sample said twice", f"# TYPE queue gauge\nqueue 1\nqueue 2 0\n{END}", {"gauge[queue,value]": 2}, 1
    ),
    Broken("type said twice", f"# TYPE orders counter\n{ORDERS}1\n{END}", {"counter[orders_total,value]": 1}),
    Broken(
        "names that clash",
        f"# TYPE orders_created gauge\norders_created 1\n{ORDERS}2\n{END}",
        {"gauge[orders_created,value]": 1, "counter[orders_total,value]": 2},
    ),
]
