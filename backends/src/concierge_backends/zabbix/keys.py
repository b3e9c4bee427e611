"""Item keys, written exactly as Zabbix writes them when it makes items of discovered names.

A key that differs in one quote names another item, and its value is lost (seen on 6.0.14 and 7.0.9).
"""

from collections.abc import Iterable
from functools import lru_cache

import msgspec

from concierge_proto import metric

LIMIT = 2048
"""Characters of a key."""
ITEM = "item"
"""The kind whose names are whole keys."""


def key(kind: str, name: str, field: str) -> str | None:
    """Return the key of one value, e.g. `timer["a,b",p95]`; None when Zabbix can have no such item."""
    if kind == ITEM:
        return _possible(name)
    quoted = parameter(name)
    return None if quoted is None else _possible(f"{kind}[{quoted},{field}]")


@lru_cache(maxsize=32)
def table(kind: str, fields: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the keys of a whole block, row by row; "" for those that Zabbix cannot have.

    Instances of one service share it: what is measured changes seldom.
    """
    return tuple(key(kind, name, field) or "" for name in names for field in fields)


@lru_cache(maxsize=65536)
def parameter(text: str) -> str | None:
    r"""Return one parameter of a key; None where Zabbix refuses to quote it (it would end in `\`)."""
    if not (text.startswith((" ", "[", '"')) or "," in text or "]" in text):
        return text
    if text.endswith("\\"):
        return None
    return '"' + text.replace('"', '\\"') + '"'


def aggregate(of: str, name: metric.Metric) -> str | None:
    """Return the key of a service's aggregate, e.g. `service.avg[gauge,load,value]`."""
    quoted = parameter(name.name)
    return None if quoted is None else _possible(f"service.{of}[{name.kind},{quoted},{name.field}]")


def rule(kind: str) -> str:
    """Return the key of the discovery rule of a kind."""
    return f"concierge.discovery[{kind}]"


def discovered(names: Iterable[str]) -> str:
    """Return low-level-discovery JSON: one row with `{#NAME}` for each name that can be an item."""
    rows = [{"{#NAME}": name} for name in names if key("", name, "") is not None]
    return msgspec.json.encode(rows).decode()


def _possible(text: str) -> str | None:
    return text if 0 < len(text) <= LIMIT and "\x00" not in text else None
