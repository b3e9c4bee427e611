"""What an item is good for, as the API describes it. Pure."""

import math
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from concierge_backends.zabbix import packets

FLOAT, UNSIGNED = 0, 3
"""Value types; the others take any text."""
TRAPPER, HTTP_AGENT = "2", "19"
_MOST_UNSIGNED = 2**64 - 1
_WHOLE = re.compile(r"[0-9]{1,19}")
_NUMBER = re.compile(r"-?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
PLAIN, SHARED, CERTIFIED = 1, 2, 4
"""How a host lets others connect: bits of its `tls_accept`."""
_WAYS = {PLAIN: "without encryption", SHARED: "with a pre-shared key", CERTIFIED: "with certificates"}
_WANTED = {
    FLOAT: "no number, as their item wants",
    UNSIGNED: "no whole number up to 2^64, as their item wants",
}


class Traits(NamedTuple):
    """Of one host: what is special about its items."""

    types: Mapping[str, int]
    """Key to value type, of those that want something of a value."""
    watched: frozenset[str]
    """Keys of items that have a trigger."""
    cuts: bool = True
    """Whether a whole number is made of 1.5, as 7.0 does; 6.0 drops it."""

    def size(self) -> int:
        return len(self.types) + len(self.watched)


NONE = Traits({}, frozenset())


def gather(
    items: Collection[Mapping[str, Any]], watched: Collection[Mapping[str, Any]], *, cuts: bool
) -> Traits:
    """Return the traits of one host; preprocessing may make a number of anything."""
    types = {
        item["key_"]: int(item["value_type"])
        for item in items
        if int(item["value_type"]) in {FLOAT, UNSIGNED} and not item["preprocessing"]
    }
    return Traits(types, frozenset(item["key_"] for item in watched), cuts)


def fitting(rows: Sequence[packets.Row], traits: Traits) -> tuple[Sequence[packets.Row], Counter[str]]:
    """Return the values that their items can store, and how many they can't, by reason.

    Zabbix would count those as processed, drop them, and call the item unsupported.
    """
    if not traits.types or not any(row.key in traits.types for row in rows):
        return rows, Counter()
    refused: Counter[str] = Counter()
    found = []
    for row in rows:
        value = fit(row.value, traits.types.get(row.key, -1), cuts=traits.cuts)
        if value is None:
            refused[_WANTED[traits.types[row.key]]] += 1
        else:
            found.append(row if value is row.value else msgspec.structs.replace(row, value=value))
    return found, refused


def fit(value: str, kind: int, *, cuts: bool) -> str | None:
    """Return the value as an item of this type takes it; None where it would be dropped."""
    if kind not in _WANTED or (kind == UNSIGNED and _WHOLE.fullmatch(value)):
        return value
    if not _NUMBER.fullmatch(value) or not math.isfinite(float(value)):
        return None
    return value if kind == FLOAT else _whole(value, cuts=cuts)


def _whole(value: str, *, cuts: bool) -> str | None:
    number = int(value) if value.isdecimal() else float(value)
    if not 0 <= number <= _MOST_UNSIGNED or not (cuts or number == int(number)):
        return None
    return str(int(number))


PERHAPS = "for the allowed hosts"
"""How a trouble begins that we may not have: we cannot know how Zabbix sees our address."""


def trouble(item: Mapping[str, Any]) -> str:
    """Return why an item takes no value from us; "" when it does, as far as one can see."""
    if item["status"] != "0":
        return "disabled"
    if item["type"] != TRAPPER and not (item["type"] == HTTP_AGENT and item["allow_traps"] == "1"):
        return "not of the type Zabbix trapper"
    return f"{PERHAPS} {item['trapper_hosts']} alone" if item["trapper_hosts"] else ""


def unmonitored(host: Mapping[str, Any], way: int) -> str:
    """Return why a host takes nothing at all; "" when it does. `way`: how we connect, a bit of `tls_accept`."""
    if host["status"] != "0":
        return "of a host that is disabled"
    if host["maintenance_status"] == "1" and host["maintenance_type"] == "1":
        return "of a host in maintenance without data collection"
    if host.get("proxyid", host.get("proxy_hostid", "0")) != "0":
        return "of a host that a proxy monitors: name the proxy in monitoring.zabbix.servers"
    return "" if int(host["tls_accept"]) & way else f"of a host that accepts no connections {_WAYS[way]}"
