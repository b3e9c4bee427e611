"""Prometheus pages to order, and what another parser says is on them."""

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from hypothesis import strategies as st
from prometheus_client import parser
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import parser as open_parser

from concierge_courier.sources import port
from concierge_proto import messages

Cells = dict[str, messages.Value]
QUANTILES = {
    "0": "min",
    "0.5": "p50",
    "0.75": "p75",
    "0.9": "p90",
    "0.99": "p99",
    "0.999": "p999",
    "1": "max",
}


class Sample(NamedTuple):
    """One line."""

    name: str
    labels: dict[str, str]
    value: float
    exemplar: str = ""


class Family(NamedTuple):
    """One metric of a page."""

    name: str
    kind: str
    samples: list[Sample]


def cells(reading: port.Reading) -> Cells:
    return {
        f"{block.kind}[{name},{field}]": value
        for block in reading.blocks
        for name, field, value in block.cells()
    }


def escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def series(name: str, labels: dict[str, str]) -> str:
    inside = [f'{_bare(key)}="{escaped(value)}"' for key, value in sorted(labels.items())]
    if _bare(name) != name:
        inside, name = [_bare(name), *inside], ""
    return f"{name}{{{','.join(inside)}}}" if inside else name


def _bare(name: str) -> str:
    return name if name.replace(":", "_").isidentifier() else f'"{escaped(name)}"'


def expected(page: str, *, modern: bool = False) -> Cells:
    """Return what prometheus_client reads, under our names."""
    read = open_parser.text_string_to_metric_families if modern else parser.text_string_to_metric_families
    return {
        _key(family, sample.name, dict(sample.labels)): sample.value
        for family in read(page)
        for sample in family.samples
        if math.isfinite(sample.value)
    }


def samples(page: str) -> list[Any]:
    """Return what prometheus_client reads of OpenMetrics."""
    read: Callable[[str], Iterable[Metric]] = open_parser.text_string_to_metric_families
    return [sample for family in read(page) for sample in family.samples]


def broken(page: str) -> bool:
    """Return whether prometheus_client refuses it, or falls over it, as it does over a sum without its count."""
    try:
        samples(page)
    except (ValueError, LookupError, AttributeError):
        return True
    return False


def _key(family: Metric, name: str, labels: dict[str, str]) -> str:
    if family.type == "counter" and not name.endswith("_created"):
        return f"counter[{series(name, labels)},value]"
    if family.type == "histogram" and name.endswith("_bucket"):
        return f"counter[{series(name, labels)},value]"
    if family.type in {"histogram", "summary"} and name.endswith(("_sum", "_count")):
        return f"histogram[{series(family.name, labels)},{name.rpartition('_')[2]}]"
    column = _column(labels) if family.type == "summary" else ""
    if column:
        return f"histogram[{series(name, labels_without(labels, 'quantile'))},{column}]"
    return f"gauge[{series(name, labels)},value]"


def _column(labels: dict[str, str]) -> str:
    return QUANTILES.get(f"{float(labels.get('quantile', 'nan')):g}", "")


def labels_without(labels: dict[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in labels.items() if key != name}


values = (
    st.integers(-(2**62), 2**62).map(float)
    | st.floats()
    | st.sampled_from([0.0, 1.0, math.nan, math.inf, -math.inf])
)
texts = st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from('\n"\\,{}=# '), max_size=8)
label_sets = st.dictionaries(st.sampled_from(["a", "b_2", "Zone", "_x"]), texts, max_size=3)


@st.composite
def families(draw: Any, at: int, kinds: tuple[str, ...]) -> Family:
    name = f"m{at}_{draw(st.text('abxyz:_', max_size=5))}"
    kind = draw(st.sampled_from(kinds))
    if kind == "stateset":
        name = name.replace(":", "_")  # it is the name of a label, too
    found = draw(st.lists(label_sets, max_size=3, unique_by=lambda one: series("", one)))
    return Family(name, kind, [sample for one in found for sample in _samples(draw, name, kind, one)])


def _samples(draw: Any, name: str, kind: str, labels: dict[str, str]) -> list[Sample]:
    count = float(draw(st.integers(0, 1000)))
    exemplar = draw(st.sampled_from(["", ' # {trace_id="a } b"} 0.5', " # {} 1 2.5"]))
    if kind == "counter":
        return [Sample(f"{name}_total", labels, count, exemplar)]
    if kind == "histogram":
        ends = {"0.5": count, "+Inf": count + 1}
        buckets = [
            Sample(f"{name}_bucket", {**labels, "le": end}, many, exemplar) for end, many in ends.items()
        ]
        return [*buckets, Sample(f"{name}_count", labels, count + 1), Sample(f"{name}_sum", labels, 2.5)]
    if kind == "summary":
        quantiles = [Sample(name, {**labels, "quantile": of}, count / 3) for of in (*QUANTILES, "0.123")]
        return [*quantiles, Sample(f"{name}_count", labels, count), Sample(f"{name}_sum", labels, 0.25)]
    if kind == "info":
        return [Sample(f"{name}_info", labels, 1.0)]
    if kind == "stateset":
        return [Sample(name, {**labels, name: state}, float(state == "on")) for state in ("on", "off")]
    return [Sample(name, labels, draw(values))]


def pages(*kinds: str) -> st.SearchStrategy[list[Family]]:
    return (
        st.integers(0, 4)
        .flatmap(lambda many: st.tuples(*(families(at, kinds) for at in range(many))))
        .map(list)
    )


def written(found: Iterable[Family], *, modern: bool = False) -> str:
    """Write a page in either format."""
    lines: list[str] = []
    for family in found:
        total = "_total" if family.kind == "counter" and not modern else ""
        lines += [f"# HELP {family.name}{total} Of \\\\ it.", f"# TYPE {family.name}{total} {family.kind}"]
        lines += [line(sample, modern=modern) for sample in family.samples]
    return "\n".join([*lines, "# EOF" if modern else "", ""])


def line(sample: Sample, *, modern: bool) -> str:
    inside = ",".join(f'{key}="{escaped(value)}"' for key, value in sample.labels.items())
    name = f"{sample.name}{{{inside}}}" if inside else sample.name
    return f"{name} {_number(sample.value)}{sample.exemplar if modern else ''}"


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return "NaN" if math.isnan(value) else repr(value)
