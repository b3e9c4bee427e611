"""What an item takes: the table was seen on 6.0.14 and 7.0.9."""

from typing import Any

import pytest

from concierge_backends.zabbix import packets, traits

HOST = {"status": "0", "maintenance_status": "0", "maintenance_type": "0", "tls_accept": "1"}
ITEM = {"status": "0", "type": "2", "allow_traps": "0", "trapper_hosts": ""}


@pytest.mark.parametrize(
    ("value", "kind", "seven", "six"),
    [
        ("1.5", traits.FLOAT, "1.5", "1.5"),
        ("1e300", traits.FLOAT, "1e300", "1e300"),
        ("1e400", traits.FLOAT, None, None),
        ("high", traits.FLOAT, None, None),
        ("nan", traits.FLOAT, None, None),
        ("", traits.FLOAT, None, None),
        ("1_000", traits.FLOAT, None, None),
        ("٣", traits.UNSIGNED, None, None),
        ("7", traits.UNSIGNED, "7", "7"),
        ("18446744073709551615", traits.UNSIGNED, "18446744073709551615", "18446744073709551615"),
        ("18446744073709551616", traits.UNSIGNED, None, None),
        ("-1", traits.UNSIGNED, None, None),
        ("1.0", traits.UNSIGNED, "1", "1"),
        ("1e3", traits.UNSIGNED, "1000", "1000"),
        ("1.5", traits.UNSIGNED, "1", None),
        ("anything", 4, "anything", "anything"),
    ],
)
def test_a_value_fits_or_is_refused(value: str, kind: int, seven: str | None, six: str | None) -> None:
    assert traits.fit(value, kind, cuts=True) == seven
    assert traits.fit(value, kind, cuts=False) == six


def test_only_items_without_preprocessing_want_something() -> None:
    items: list[dict[str, Any]] = [
        {"key_": "plain", "value_type": "0", "preprocessing": []},
        {"key_": "made", "value_type": "0", "preprocessing": [{"type": "12"}]},
        {"key_": "text", "value_type": "4", "preprocessing": []},
    ]
    found = traits.gather(items, [{"key_": "plain"}], cuts=True)
    assert found == traits.Traits({"plain": 0}, frozenset({"plain"}))
    rows = [packets.Row("h", key, "high", 1, 1) for key in ("plain", "made", "text", "unknown")]
    fit, refused = traits.fitting(rows, found)
    assert [row.key for row in fit] == ["made", "text", "unknown"]
    assert refused == {"no number, as their item wants": 1}


def test_a_whole_number_is_written_as_one() -> None:
    found = traits.Traits({"k": traits.UNSIGNED}, frozenset())
    (row,), refused = traits.fitting([packets.Row("h", "k", "2.0", 1, 1)], found)
    assert (row.value, refused) == ("2", {})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, ""),
        ({"status": "1"}, "disabled"),
        ({"type": "7"}, "not of the type Zabbix trapper"),
        ({"type": "19", "allow_traps": "1"}, ""),
        ({"type": "19"}, "not of the type Zabbix trapper"),
        ({"trapper_hosts": "10.0.0.1"}, "for the allowed hosts 10.0.0.1 alone"),
    ],
)
def test_an_item_says_why_it_takes_nothing(given: dict[str, Any], said: str) -> None:
    assert traits.trouble(ITEM | given) == said


@pytest.mark.parametrize(
    ("given", "way", "said"),
    [
        ({}, traits.PLAIN, ""),
        ({"proxyid": "0"}, traits.PLAIN, ""),
        ({"status": "1"}, traits.PLAIN, "of a host that is disabled"),
        ({"maintenance_status": "1", "maintenance_type": "1"}, traits.PLAIN, "without data collection"),
        ({"maintenance_status": "1"}, traits.PLAIN, ""),
        ({"proxyid": "3"}, traits.PLAIN, "that a proxy monitors"),
        ({"proxy_hostid": "3"}, traits.PLAIN, "that a proxy monitors"),
        ({"tls_accept": "6"}, traits.PLAIN, "no connections without encryption"),
        ({"tls_accept": "6"}, traits.CERTIFIED, ""),
        ({"tls_accept": "5"}, traits.SHARED, "no connections with a pre-shared key"),
    ],
)
def test_a_host_says_why_it_takes_nothing(given: dict[str, Any], way: int, said: str) -> None:
    found = traits.unmonitored(HOST | given, way)
    assert said in found
    assert bool(found) is bool(said)
