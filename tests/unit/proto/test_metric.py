"""`KIND[NAME,FIELD]`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concierge_proto import errors, metric


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("gauge[load,value]", ("gauge", "load", "value")),
        ("timer[com.example.Shop.checkout,p95]", ("timer", "com.example.Shop.checkout", "p95")),
        ("  gauge[ load , value ]  ", ("gauge", "load", "value")),
        ("gauge[a,b,value]", ("gauge", "a,b", "value")),
        ("gauge[http[get],value]", ("gauge", "http[get]", "value")),
        ("gauge[größe µ,value]", ("gauge", "größe µ", "value")),
    ],
)
def test_a_metric_comes_apart(text: str, parts: tuple[str, str, str]) -> None:
    assert metric.parse(text) == parts


@pytest.mark.parametrize(
    "text",
    ["", "load", "gauge", "gauge[load]", "gauge[,value]", "gauge[ ,value]", "gauge[load,]", "gauge[load, ]",
     "[load,value]", "1gauge[load,value]", "gauge[load,value", "gauge[load,va]lue]", "gauge [load,value]"],
)  # fmt: skip
def test_anything_else_is_malformed(text: str) -> None:
    with pytest.raises(errors.Malformed, match=r"write KIND\[NAME,FIELD\]"):
        metric.parse(text)


@given(st.text())
def test_what_is_read_is_written_the_same(text: str) -> None:
    try:
        found = metric.parse(f"gauge[{text},value]")
    except errors.Malformed:
        return
    assert metric.parse(str(found)) == found
    assert found.name == text.strip()
