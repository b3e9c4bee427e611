"""Keys exactly as Zabbix quotes discovered names: the table was seen on 6.0.14 and 7.0.9."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from concierge_backends.zabbix import keys
from concierge_proto import metric

GOLDEN = {
    "load": "gauge[load,value]",
    "": "gauge[,value]",
    "a,b": 'gauge["a,b",value]',
    "a]": 'gauge["a]",value]',
    " lead": 'gauge[" lead",value]',
    "[x": 'gauge["[x",value]',
    '"q"': r'gauge["\"q\"",value]',
    'a"b': 'gauge[a"b,value]',
    'a"b,c': r'gauge["a\"b,c",value]',
    "trail ": "gauge[trail ,value]",
    "a[b": "gauge[a[b,value]",
    "tab\there": "gauge[tab\there,value]",
    "größe✓": "gauge[größe✓,value]",
    "$1": "gauge[$1,value]",
    "{#X}": "gauge[{#X},value]",
    "back\\": "gauge[back\\,value]",
}


@pytest.mark.parametrize(("name", "key"), GOLDEN.items())
def test_quotes_as_zabbix_does(name: str, key: str) -> None:
    assert keys.key("gauge", name, "value") == key


def test_the_name_of_an_item_is_its_key() -> None:
    assert keys.key("item", "courier.elapsed", "value") == "courier.elapsed"


@pytest.mark.parametrize("name", ["a,b\\", "x" * 2048, "nul\x00"])
def test_no_key_where_zabbix_can_have_no_item(name: str) -> None:
    assert keys.key("gauge", name, "value") is None


@pytest.mark.parametrize(
    ("name", "around"), [("x", "gauge[{},value]"), (",", 'gauge["{}",value]'), ("é", "gauge[{},value]")]
)
def test_a_key_has_at_most_2048_characters_quotes_included(name: str, around: str) -> None:
    room = 2048 - len(around.format(""))
    assert keys.key("gauge", name * room, "value") == around.format(name * room)
    assert keys.key("gauge", name * (room + 1), "value") is None


def test_an_item_without_a_name_has_no_key() -> None:
    assert keys.key("item", "", "value") is None


def test_an_aggregate_names_its_metric() -> None:
    assert keys.aggregate("avg", metric.Metric("gauge", "a,b", "value")) == 'service.avg[gauge,"a,b",value]'
    assert keys.aggregate("avg", metric.Metric("gauge", "a,b\\", "value")) is None


def test_discovery_lists_each_name_once_a_row() -> None:
    rows = msgspec.json.decode(keys.discovered(["a", "b,c", "nul\x00", "c,\\"]))
    assert rows == [{"{#NAME}": "a"}, {"{#NAME}": "b,c"}]


def parameters(text: str) -> list[str]:
    """An independent reader of `[…]`, after Zabbix's grammar of item keys."""
    found, at = [], 0
    while True:
        value = ""
        if text[at : at + 1] == '"':
            at += 1
            while text[at] != '"':
                at += text[at] == "\\" and text[at + 1] == '"'
                value, at = value + text[at], at + 1
            at += 1
        else:
            while text[at] not in ",]":
                value, at = value + text[at], at + 1
        found.append(value)
        if text[at] == "]":
            assert at == len(text) - 1
            return found
        at += 1


@given(some.text(some.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=40))
def test_a_reader_of_keys_finds_the_name_again(name: str) -> None:
    key = keys.key("timer", name, "p95")
    if key is None:
        assert name.endswith("\\")
        return
    assert parameters(key.removeprefix("timer[")) == [name, "p95"]
